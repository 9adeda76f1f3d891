"""Extra files: what Transcribe wrote beside the document of a job, fetched by collect."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from producer.contract.formats import AWS_SUBTITLES, UNREDACTED, UNREDACTED_SUBTITLES
from producer.contract.s3_uri import S3Uri
from worker import s3_keys
from worker.aws.document_head import job_named_in
from worker.aws.objects import OpenObject
from worker.aws.transcribe import Running
from worker.errors import ResultMissing
from worker.runtime.work import Work
from worker.s3_keys import WrittenObject
from worker.stages.ownership import is_since_start
from worker.stages.result_files import reported_if_unwritable, write_fetched
from worker.stages.result_paths import ResultPaths

log = structlog.get_logger()


@dataclass(frozen=True)
class ExtraFiles:
    """What a job has beside its document."""

    #: kind -> path
    files: dict[str, Path]
    #: kinds that Transcribe did not write, though the request asks for them
    not_written: tuple[str, ...] = ()


def fetch_extra_files(work: Work, paths: ResultPaths) -> ExtraFiles:
    """Write to disk, piece by piece, what Transcribe wrote for the request beside its document.

    Raises:
        Transient: if something is not there, and may yet be.
        Permanent: if it can never be written.
    """
    job, settings = work.job, work.worker.settings
    output = s3_keys.output_of(job, S3Uri(job.result_uri or ""))
    files: dict[str, Path] = {}
    absent: list[str] = []
    for each in s3_keys.written_objects(job, output)[1:]:
        path = _fetch(work, paths, each)
        if path is None:
            absent.append(each.kind)
        else:
            files[each.kind] = path
    if not absent:
        return ExtraFiles(files)
    _check_ended(work)
    if UNREDACTED in absent and work.waited <= settings.result_patience:
        raise ResultMissing("The unredacted document is not there yet.")
    missing = _missing(absent, files)
    if missing:
        log.info("collect.files_missing", kinds=missing)
    return ExtraFiles(files, missing)


def _fetch(work: Work, paths: ResultPaths, each: WrittenObject) -> Path | None:
    """Fetch one object; None if none is there that is of the job's present attempt."""
    job = work.job
    try:
        with work.worker.storage.open(each.uri) as found:
            if not is_since_start(job, found.modified_at):
                return None
            pieces = _pieces(work, each, found)
            with reported_if_unwritable(work):
                return write_fetched(paths, each.kind, pieces, work.worker.settings.results_dir)
    except ResultMissing:
        return None


def _pieces(work: Work, each: WrittenObject, found: OpenObject) -> Iterator[bytes]:
    is_known = not each.uri.endswith(".json")  # a document says whose it is
    for piece in found.pieces():
        work.guard.check()
        if not is_known and job_named_in(piece) != work.job.aws_name:
            raise ResultMissing(f"{each.uri} is not of {work.job.aws_name}.")
        is_known = True
        yield piece


def _check_ended(work: Work) -> None:
    """Wait while the job runs: its document can be there before the rest, which may yet come."""
    gate = work.rate_limited("GetTranscriptionJob")
    if isinstance(work.worker.transcribe.status(work.job.aws_name, gate), Running):
        raise ResultMissing("Transcribe is still writing what goes with the result.")


def _missing(absent: list[str], files: dict[str, Path]) -> tuple[str, ...]:
    """What was asked for and is not there.

    AWS does not document under which of two names it writes redacted subtitles; one is enough.
    """
    other = {AWS_SUBTITLES[each]: UNREDACTED_SUBTITLES[each] for each in AWS_SUBTITLES}
    return tuple(
        kind
        for kind in absent
        if kind == UNREDACTED or (kind in other and other[kind] not in files)
    )
