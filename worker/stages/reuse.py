"""Reuse: the result of a job's twin, from where it still is: Redis, the disk, or S3.

Whatever is found counts only if it has the digest that was recorded as the twin was COMPLETED: its
folder, its record or its object may be another job's of the same name by now.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import structlog

from producer.backend.identities import KnownResult
from producer.contract.formats import file_name
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from producer.errors import BadTranscript
from producer.transcript.transcript import Transcript
from worker import s3_keys
from worker.errors import Permanent, ResultMissing
from worker.regular_file import open_regular
from worker.runtime.work import Work
from worker.stages import ownership
from worker.stages.document_size import limit_document
from worker.stages.extra_files import ExtraFiles
from worker.stages.result_files import reported_if_unwritable, write_fetched
from worker.stages.result_paths import ResultPaths

log = structlog.get_logger()

_PIECE = 1024 * 1024


@dataclass(frozen=True)
class TwinResult:
    """A result that is there."""

    known: KnownResult
    transcript: Transcript


class _OtherContent(Exception):
    """What was read is not what the twin had."""


def find_result(work: Work) -> TwinResult | None:
    """The result of a job's twin; None if it is nowhere any more.

    Raises:
        LimitReached, IsolationNeeded: as `limit_document` has it.
        Transient: if S3 does not answer.
    """
    known = work.worker.identities.find(work.job.fingerprint or "")
    if known is None:
        return None
    for read in (_from_redis, _from_disk, _from_s3):
        document = read(work, known)
        if document is None or _digest(document) != known.digests["json"]:
            continue
        try:
            return TwinResult(known, Transcript.from_json(document))
        except BadTranscript:  # a version that reads less than the one that wrote it
            continue
    return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _from_redis(work: Work, known: KnownResult) -> bytes | None:
    document = work.worker.kept_results.get(known.job, "document")
    if document is not None:  # it is compressed there
        limit_document(work, len(document))
    return document


def _from_disk(work: Work, known: KnownResult) -> bytes | None:
    file = _open(work, known, "json")
    if file is None:
        return None
    with file:
        limit_document(work, os.fstat(file.fileno()).st_size)
        try:
            return file.read()
        except OSError:
            return None


def _from_s3(work: Work, known: KnownResult) -> bytes | None:
    uri = _uri(work, known, "json")
    if uri is None:
        return None
    try:
        with work.worker.storage.open(uri) as found:
            limit_document(work, found.size)
            return found.read()
    except (ResultMissing, Permanent):
        return None


def copy_extra_files(work: Work, paths: ResultPaths, known: KnownResult) -> ExtraFiles | None:
    """Write what the twin has beside its document; None if some of it is nowhere any more.

    Raises:
        Transient, Permanent: as `write_fetched` has it; Transient if S3 does not answer.
    """
    files: dict[str, Path] = {}
    for kind in sorted(known.digests.keys() - {"json"}):
        path = _copy(work, paths, known, kind)
        if path is None:
            return None
        files[kind] = path
    return ExtraFiles(files, known.not_written)


def _copy(work: Work, paths: ResultPaths, known: KnownResult, kind: str) -> Path | None:
    for pieces in (_disk_pieces, _s3_pieces):
        try:
            with pieces(work, known, kind) as found, reported_if_unwritable(work):
                checked = _checked(work, found, known.digests[kind])
                return write_fetched(paths, kind, checked, work.worker.settings.results_dir)
        except (_OtherContent, ResultMissing):
            continue
    return None


def _checked(work: Work, pieces: Iterator[bytes], digest: str) -> Iterator[bytes]:
    read = hashlib.sha256()
    for piece in pieces:
        work.guard.check()
        read.update(piece)
        yield piece
    if read.hexdigest() != digest:
        raise _OtherContent


@contextmanager
def _disk_pieces(work: Work, known: KnownResult, kind: str) -> Iterator[Iterator[bytes]]:
    file = _open(work, known, kind)
    if file is None:
        raise _OtherContent
    with file:
        reads: Callable[[], bytes] = lambda: file.read(_PIECE)  # noqa: E731
        yield iter(reads, b"")


@contextmanager
def _s3_pieces(work: Work, known: KnownResult, kind: str) -> Iterator[Iterator[bytes]]:
    uri = _uri(work, known, kind)
    if uri is None:
        raise _OtherContent
    with work.worker.storage.open(uri) as found:
        yield found.pieces()


def _open(work: Work, known: KnownResult, kind: str) -> BufferedReader | None:
    """A file of the twin, beneath this worker's results root; None if it has none there."""
    root = os.path.realpath(work.worker.settings.results_dir)
    path = Path(os.path.realpath(Path(root, file_name(known.path, kind))))
    if not path.is_relative_to(root):
        return None
    try:
        return open_regular(path)
    except OSError:
        return None


def _uri(work: Work, known: KnownResult, kind: str) -> S3Uri | None:
    """Where an object of the twin is, if that is in our bucket."""
    document = s3_keys.in_our_bucket(S3Uri.answered(known.uri or ""), work.worker.settings)
    if document is None:
        return None
    # It has the same options, so Transcribe wrote the same for it.
    output = s3_keys.output_of(work.job, document)
    written = {each.kind: each.uri for each in s3_keys.written_objects(work.job, output)}
    return written.get(kind)


def delete_own_audio(work: Work) -> None:
    """Delete the audio that this job has uploaded, for nobody needs it.

    Raises:
        LeaseLost: if the job may be another worker's by now.
        Transient: as AWS's error is classified.
    """
    job = work.job
    if job.request.is_on_s3 or job.media_uri is None:
        return
    work.guard.fence()
    try:
        ownership.delete_audio(work, S3Uri(job.media_uri))
    except Permanent as error:
        log.warning("collect.audio_left", uri=job.media_uri, code=error.code, reason=error.message)


def advance_without_twin(work: Work, known: KnownResult | None) -> None:
    """Let a job whose twin's result is nowhere any more do without it.

    Its upload asks anew, without a second upload: where several were to reuse the same result, one
    of them is started.

    Raises:
        LeaseLost: if the job is not ours to move any more.
    """
    job = work.job
    log.info("collect.twin_gone", twin=job.reused_from)
    twin = known.job if known is not None else job.reused_from
    work.worker.identities.forget(job.fingerprint or "", twin or "")
    work.advance(JobState.UPLOADING, {Stage.UPLOAD: "message"}, reused_from="")
