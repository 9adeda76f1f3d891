"""Start: Transcribe has the job exactly once, by whatever call."""

import structlog

from producer.contract.job import JobState
from producer.contract.stages import Stage
from worker import s3_keys
from worker.aws.errors import AlreadyExists
from worker.aws.parameters import start_parameters
from worker.errors import Crashed, Permanent, SlotsFull
from worker.leases import LeaseLost
from worker.runtime.retry_delay import AFTER_ABANDONED
from worker.runtime.work import Handler, Work
from worker.stages.adoption import adopted, own_attempt, started, status_if_ours
from worker.stages.ownership import check_free, name_used

log = structlog.get_logger()


class Start(Handler):
    """STARTING -> TRANSCRIBING; READY again if the account is full."""

    stage = Stage.START

    def run(self, work: Work) -> None:
        """Start the Transcribe job, and leave it to the poll."""
        # A job that was cancelled, or is overdue, keeps this entry until we see how it is at AWS.
        if work.job.state.is_terminal:
            settle(work)
            return
        try:
            fields = start_or_adopt(work)
        except SlotsFull as error:
            log.info("account.full", reason=error.message)
            work.worker.admission.full()
            work.advance(JobState.READY, {Stage.START: "first"})
        else:
            advance_started(work, fields)

    def abandon(self, work: Work, error: Permanent) -> None:
        """Fail the job, unless it may run at AWS: only another try can say that."""
        if isinstance(error, Crashed):
            work.snooze(AFTER_ABANDONED)
        elif work.job.state.is_terminal:
            work.complete()
        else:
            super().abandon(work, error)


def start_or_adopt(work: Work) -> dict[str, str]:
    """Start the Transcribe job, or adopt it if an earlier call did.

    Returns the fields for the record: where the result goes, since when one may be there, and
    whether the job is not ours.

    Raises:
        Permanent: if AWS will never run it, or the name belongs to other audio.
        Snooze: if no token to start it is free in time.
    """
    job, settings = work.job, work.worker.settings
    media_uri = job.media_uri or job.request.audio
    output = s3_keys.output_uri(job, settings)
    parameters = start_parameters(
        job.request, name=job.aws_name, media_uri=media_uri, output_uri=output
    )
    try:
        keeps_write_check = check_free(work, output)
    except Permanent:
        # An object there may be this job's own, if an earlier call has started it.
        if (status := status_if_ours(work, job)) is not None:
            return adopted(work, status)
        raise
    try:
        gate = work.rate_limited("StartTranscriptionJob")
        started_at = work.worker.transcribe.start(parameters, gate)
    except AlreadyExists:
        status = status_if_ours(work, job)
        if status is None:
            raise name_used(job.aws_name) from None
        return adopted(work, status)
    kept = {"keeps_write_check": "yes"} if keeps_write_check else {}
    return started(work, started_at) | kept | own_attempt(job)


def advance_started(work: Work, fields: dict[str, str]) -> None:
    """Record that Transcribe has the job; if it was stopped meanwhile, keep its slot to its end."""
    try:
        work.advance(JobState.TRANSCRIBING, **fields)
    except LeaseLost:
        if not work.worker.store.settle(work.lease, work.job.id, "running", fields):
            raise
        log.info("start.job_stopped")


def settle(work: Work) -> None:
    """Record whether a job that was stopped before its start runs at AWS all the same."""
    status = status_if_ours(work, work.job)
    if status is None:
        work.worker.store.settle(work.lease, work.job.id, "ended")
    else:
        work.worker.store.settle(work.lease, work.job.id, "running", adopted(work, status))
