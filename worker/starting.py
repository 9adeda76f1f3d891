"""Start: Transcribe has the job exactly once, whoever's call it was."""

from __future__ import annotations

import structlog

from producer.contract import Job, JobState
from worker import places
from worker.leases import LeaseLost
from worker.parameters import start_parameters
from worker.stages import Work
from worker.transcribe import NameTakenError, taken_by_another

log = structlog.get_logger()


def start_job(work: Work) -> str:
    """Start the Transcribe job, or adopt it if an earlier call did; returns where its result goes.

    Raises:
        Permanent: if AWS will never take it, or the name belongs to other audio.
        Transient, SlotsTaken: as AWS's error is sorted.
    """
    job, settings = work.job, work.worker.settings
    media_uri = job.media_uri or job.request.audio
    output = places.output_uri(job, settings.bucket, settings.prefix)
    parameters = start_parameters(
        job.request, name=job.aws_name, media_uri=media_uri, output_uri=output
    )
    try:
        work.worker.transcribe.start(parameters)
    except NameTakenError:
        if not _is_ours(work, job):
            raise taken_by_another(job.aws_name) from None
        log.info("start.adopted")
    return places.result_uri(job, output)


def hand_to_poll(work: Work, result_uri: str) -> None:
    """Record that Transcribe has the job; if it was stopped meanwhile, keep its slot until it ends.

    Raises:
        LeaseLost: if the job is not ours to move any more.
    """
    try:
        work.advance(JobState.TRANSCRIBING, "running", result_uri=result_uri)
    except LeaseLost:
        if not work.worker.store.settle(work.hold, work.job.id, "running"):
            raise
        log.info("start.stopped_meanwhile")


def settle(work: Work) -> None:
    """A job was stopped while it was to be started: it runs at AWS, or it does not."""
    runs = work.job.media_uri is not None and _is_ours(work, work.job)
    work.worker.store.settle(work.hold, work.job.id, "running" if runs else "ended")


def _is_ours(work: Work, job: Job) -> bool:
    """Whether the Transcribe job of this name was made for this audio."""
    status = work.worker.transcribe.status(job.aws_name)
    return status is not None and status.media_uri == job.media_uri
