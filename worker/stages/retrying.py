"""Retry: what Transcribe made of a job is fetched; what it did not make is started anew."""

from __future__ import annotations

import structlog

from producer.contract.job import JobState
from worker.aws.transcribe import Done, Running
from worker.errors import Transient
from worker.leases import LeaseLost
from worker.runtime.runner import Work
from worker.stages import start

log = structlog.get_logger()

#: Seconds after which a result is there, once Transcribe says that its job has ended.
_RESULT_COMES_WITHIN = 3.0


def go_on_without_result(work: Work) -> None:
    """Send a retried job whose result is not there where one may come from.

    A Transcribe job that is at work, or whose start nobody has recorded, is waited for; without one
    a new attempt begins.

    Raises:
        Transient: if the result may be about to come, or as AWS's error is classified.
        Permanent: as AWS's error is classified.
        LeaseLost: if the job is not ours to move any more.
    """
    job = work.job
    status = start.status_if_ours(work, job)
    unrecorded = job.result_uri is None
    if isinstance(status, Running) or (isinstance(status, Done) and unrecorded):
        fields = start.adopted(work, status)
        work.advance(JobState.TRANSCRIBING, "running", **fields)
    elif isinstance(status, Done) and work.waited < _RESULT_COMES_WITHIN:
        raise Transient("ResultMissing", "The Transcribe job has just ended.")
    elif work.worker.store.start_new_attempt(work.lease):
        log.info("job.started_anew", attempt=job.attempt + 1)
    else:
        raise LeaseLost
