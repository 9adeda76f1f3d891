"""Collect: fetch a result, check that it is one, and keep it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from producer.backend.connection import Argument
from producer.backend.job_store import Follows
from producer.contract.job import JobState, Stage
from producer.errors import BadTranscript
from producer.transcript.transcript import Transcript
from worker.errors import Permanent, Transient
from worker.leases import LeaseLost
from worker.runtime.isolation import IsolationNeeded
from worker.runtime.runner import Work
from worker.stages.ownership import is_result
from worker.stages.read_ahead import present_attempt
from worker.stages.result_files import NOT_WRITTEN, discard_results, results_folder, write_results

#: Of documents from this size on, in bytes, a process reads one at a time.
LARGE_DOCUMENT = 1024 * 1024
#: From this size on it has a process of its own, which takes a second to start.
HUGE_DOCUMENT = 8 * 1024 * 1024
#: The errors by which `fetch` says that a job has no result.
NO_RESULT = frozenset({"NoResult", "ResultMissing", "ResultBroken"})


def fetch(work: Work) -> Transcript:
    """Read the result document.

    Raises:
        NoSeat: if it is large, and others are being read.
        ProcessWanted: if it is so large that all other work in this process would wait for it.
        Transient: if it is not there, or not whole, and it may yet be.
        Permanent: if it is still so when the patience that is set for it is over, or when a job is
            retried, of which there may be nothing any more.
    """
    job = work.job
    if job.result_uri is None:
        raise Permanent("NoResult", "The record does not say where the result is.")
    try:
        return _read(work, job.result_uri)
    except BadTranscript as error:
        problem = Transient("ResultBroken", f"{job.result_uri} is broken: {error}")
    except Transient as error:
        if error.code != "ResultMissing":
            raise
        problem = error
    if job.is_retried or work.waited > work.worker.settings.result_patience:
        raise Permanent(problem.code, problem.message)
    raise problem


def _read(work: Work, uri: str) -> Transcript:
    document = work.worker.read_ahead.take(present_attempt(work.job))
    if document is not None:  # who has read it has seen whose it is
        return Transcript.from_json(document)
    with work.worker.storage.opened(uri) as found:
        _make_room(work, found.size)
        transcript = Transcript.from_json(found.read())
    if not is_result(work.job, transcript.job_name, found.modified_at):
        raise Transient(
            "ResultMissing",
            f"{uri} is not the result of {work.job.aws_name}: it is of Transcribe job "
            f"{transcript.job_name or '(none)'}, of {found.modified_at:%Y-%m-%d %H:%M:%S} UTC.",
        )
    return transcript


def _make_room(work: Work, size: int) -> None:
    if size >= LARGE_DOCUMENT:
        work.limit_concurrency()
    if size >= HUGE_DOCUMENT and not work.worker.isolated:
        raise IsolationNeeded


def keep(work: Work, transcript: Transcript) -> dict[str, Path]:
    """Write the files and keep the text in Redis; returns the files' paths by format.

    Raises:
        LeaseLost: if the job is not ours any more: then nothing is kept in Redis.
        Transient, Permanent: as `write_results` has it.
    """
    job, settings = work.job, work.worker.settings
    with noted_if_unwritable(work):
        files = write_results(job, transcript, settings.results_dir)
    if not work.worker.kept_results.keep(
        work.lease,
        transcript.to_text(),
        transcript.to_json().encode(),
        most=settings.kept_result_bytes,
    ):
        raise LeaseLost
    return files


@contextmanager
def discarded_if_stopped(work: Work) -> Iterator[None]:
    """Of a job that turns out to have been stopped, keep no file."""
    try:
        yield
    except LeaseLost:
        now = work.worker.store.get_many([work.job.id])[work.job.id]
        if now is not None and now.state in {JobState.CANCELLED, JobState.FAILED}:
            discard_results(work.job, work.worker.settings.results_dir)
        raise


@contextmanager
def noted_if_unwritable(work: Work) -> Iterator[None]:
    """Let `transcribe doctor` know where the disk does not take results."""
    try:
        yield
    except Transient as error:
        if error.code == NOT_WRITTEN:
            folder = results_folder(work.job, work.worker.settings.results_dir)
            work.worker.unwritable.add(folder)
        raise


def complete(work: Work, files: dict[str, Path], not_written: Sequence[str] = ()) -> None:
    """Record that the job has its result.

    Args:
        work: at the job.
        files: where everything was written, by kind.
        not_written: kinds that the request asks for, and that Transcribe did not write.

    Raises:
        LeaseLost: if the job is not ours to move any more.
    """
    fields: dict[str, Argument] = {
        "files": json.dumps({kind: str(path) for kind, path in files.items()})
    }
    if not_written:
        fields["not_written"] = json.dumps(not_written)
    follows: Follows = Stage.CLEANUP if work.job.request.cleanup else ""
    work.advance(JobState.COMPLETED, follows, **fields)
