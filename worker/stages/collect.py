"""Collect: fetch a result, check that it is one, and keep it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from producer.backend.connection import Argument
from producer.backend.identities import Offer
from producer.contract.formats import SIDECAR
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage, Steps
from producer.errors import BadTranscript
from producer.transcript.transcript import Transcript
from worker import s3_keys
from worker.aws.document_head import HEAD_BYTES, job_named_in
from worker.aws.objects import OpenObject
from worker.aws.transcribe import Done, Running
from worker.errors import Permanent, ResultMissing, StageError, Transient
from worker.leases import LeaseLost
from worker.runtime.work import Handler, Work
from worker.stages import identity, reuse
from worker.stages.adoption import adopted, ended_with, status_if_ours
from worker.stages.document_size import limit_document
from worker.stages.extra_files import fetch_extra_files
from worker.stages.ownership import is_result
from worker.stages.result_files import (
    describe_results,
    discard_results,
    reported_if_unwritable,
    reserve_results,
    write_results,
)
from worker.stages.result_paths import ResultPaths

log = structlog.get_logger()

#: Seconds after which a result is there, once Transcribe says that its job has ended.
_RESULT_COMES_WITHIN = 3.0


class NoResult(Permanent):
    """A job has no result, and none comes any more."""


class Collect(Handler):
    """COLLECTING -> COMPLETED, then cleanup; a retried job without a result starts anew.

    A job that AWS's list lacks is TRANSCRIBING still; its result shows that it has ended.
    """

    stage = Stage.COLLECT

    def max_large(self, _concurrency: int) -> int:
        """One: Python reads one at a time anyhow, and each needs some 15 times its size."""
        return 1

    def run(self, work: Work) -> None:
        """Fetch the result, write the files, and keep the text in Redis."""
        if work.job.reused_from is not None:
            collect_from_twin(work)
            return
        try:
            transcript = fetch(work)
        except StageError as error:
            if work.job.state is JobState.TRANSCRIBING:
                leave_to_poll(work, error)
            elif work.job.is_retried and isinstance(error, NoResult):
                advance_without_result(work)
            else:
                raise
            return
        with discarded_if_stopped(work):
            paths = reserved(work)
            extra = fetch_extra_files(work, paths)
            files = keep(work, paths, transcript, extra.files)
            uri = work.job.result_uri
            offer = identity.offer(work, transcript, files, extra.not_written, uri)
            complete(work, files, extra.not_written, offer=offer)

    def abandon(self, work: Work, error: Permanent) -> None:
        """Fail the job, unless it may run at AWS: then the poll asks."""
        if not work.worker.running.record_missed(work.lease):
            super().abandon(work, error)


def collect_from_twin(work: Work) -> None:
    """Complete a job by the result of its twin; without that it starts by itself.

    Raises:
        LeaseLost: if the job is not ours to move any more.
        LimitReached, IsolationNeeded: as `limit_document` has it.
        Transient, Permanent: as AWS's or the disk's error is classified.
    """
    twin = reuse.find_result(work)
    with discarded_if_stopped(work):
        paths = reserved(work)
        extra = None if twin is None else reuse.copy_extra_files(work, paths, twin.known)
        if twin is None or extra is None:
            reuse.advance_without_twin(work, None if twin is None else twin.known)
            return
        files = keep(work, paths, twin.transcript, extra.files)
        reuse.delete_own_audio(work)
        offer = identity.offer(work, twin.transcript, files, extra.not_written, twin.known.uri)
        complete(work, files, extra.not_written, offer=offer, reused_from=twin.known.job)


def leave_to_poll(work: Work, error: StageError) -> None:
    """Leave a missing job, whose result cannot be read, or not yet, to the poll."""
    log.info("collect.left_to_poll", code=error.code, reason=error.message)
    if not work.worker.running.record_missed(work.lease):
        raise LeaseLost


def fetch(work: Work) -> Transcript:
    """Read the result document; a job that has one is TRANSCRIBING no more.

    Raises:
        LimitReached: if it is large, and others are being read.
        IsolationNeeded: if it is so large that all other work in this process would wait for it.
        Transient: if it is not there, or not whole, and it may yet be.
        Permanent: if it is still so when the patience that is set for it is over, or when a job is
            retried, of which there may be nothing any more.
    """
    if work.job.result_uri is None:
        raise NoResult("NoResult", "The record does not say where the result is.")
    try:
        return _read(work, S3Uri(work.job.result_uri))
    except BadTranscript as error:
        problem = Transient("ResultBroken", f"{work.job.result_uri} is broken: {error}")
    except ResultMissing as error:
        problem = error
        if work.job.gone and not work.job.is_retried:
            message = "The Transcribe job was deleted by somebody else."
            raise Permanent("JobGone", message) from error
    if work.job.is_retried or work.waited > work.worker.settings.result_patience:
        raise NoResult(problem.code, problem.message)
    raise problem


def _read(work: Work, uri: S3Uri) -> Transcript:
    with work.worker.storage.open(uri) as found:
        head = b""
        if work.job.state is JobState.TRANSCRIBING:
            head = found.read(HEAD_BYTES)
            _check_result(work, found, uri, job_named_in(head))
            work.enter(JobState.COLLECTING, **ended_with(work.job, uri))
        limit_document(work, found.size)
        transcript = Transcript.from_json(head + found.read())
    _check_result(work, found, uri, transcript.job_name)
    return transcript


def _check_result(work: Work, found: OpenObject, uri: S3Uri, job_name: str) -> None:
    if not is_result(work.job, job_name, found.modified_at):
        raise ResultMissing(
            f"{uri} is not the result of {work.job.aws_name}: it is of Transcribe job "
            f"{job_name or '(none)'}, of {found.modified_at:%Y-%m-%d %H:%M:%S} UTC.",
        )


def reserved(work: Work) -> ResultPaths:
    """Reserve the names of the job's files; errors are those of `reserve_results`."""
    kinds = s3_keys.extra_kinds(work.job)
    with reported_if_unwritable(work):
        return reserve_results(work.job, work.worker.settings.results_dir, kinds)


def keep(
    work: Work, paths: ResultPaths, transcript: Transcript, extra: dict[str, Path]
) -> dict[str, Path]:
    """Write the files and keep the text in Redis; returns all files' paths by kind.

    Raises:
        LeaseLost: if the job is not ours any more: then nothing is kept in Redis.
        Transient, Permanent: as `write_results` has it.
    """
    settings = work.worker.settings
    with reported_if_unwritable(work):
        files = write_results(paths, transcript, settings.results_dir) | extra
        files[SIDECAR] = describe_results(paths, transcript, files, settings.results_dir)
    if not work.worker.kept_results.keep(
        work.lease,
        transcript.render("txt"),
        transcript.render("json").encode(),
        most=settings.kept_result_bytes,
    ):
        raise LeaseLost
    return files


@contextmanager
def discarded_if_stopped(work: Work) -> Iterator[None]:
    """Keep no file of a job that turns out to have been stopped."""
    try:
        yield
    except LeaseLost:
        job = work.worker.store.get_many([work.job.id])[work.job.id]
        if job is not None and job.state in {JobState.CANCELLED, JobState.FAILED}:
            discard_results(work.job, work.worker.settings.results_dir)
        raise


def advance_without_result(work: Work) -> None:
    """Move a retried job whose result is not there to where one may come from.

    Where the Transcribe job is at work, or nobody has recorded its start, the job waits for that;
    without one a new attempt begins.

    Raises:
        Transient: if the result may be about to come.
    """
    job = work.job
    status = status_if_ours(work, job)
    unrecorded = job.result_uri is None
    if isinstance(status, Running) or (isinstance(status, Done) and unrecorded):
        fields = adopted(work, status)
        work.advance(JobState.TRANSCRIBING, **fields)
    elif isinstance(status, Done) and work.waited < _RESULT_COMES_WITHIN:
        raise ResultMissing("The Transcribe job has just ended.")
    elif work.worker.store.start_new_attempt(work.lease):
        log.warning("job.restarted", attempt=job.attempt + 1, reason="There is no result.")
    else:
        raise LeaseLost


def complete(
    work: Work,
    files: dict[str, Path],
    not_written: Sequence[str] = (),
    *,
    offer: Offer | None = None,
    reused_from: str = "",
) -> None:
    """Record that the job has its result.

    Args:
        work: at the job.
        files: where everything was written, by kind.
        not_written: kinds that the request asks for, and that Transcribe did not write.
        offer: the result, for jobs with the same fingerprint.
        reused_from: the job whose result it is, if another's.
    """
    fields: dict[str, Argument] = {
        "files": json.dumps({kind: str(path) for kind, path in files.items()})
    }
    if not_written:
        fields["not_written"] = json.dumps(not_written)
    if reused_from:
        fields["reused_from"] = reused_from
    steps: Steps = {} if work.job.request.cleanup else {Stage.CLEANUP: "none"}
    work.advance_completed(steps, fields, offer)
