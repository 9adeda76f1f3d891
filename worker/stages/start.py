"""Start: Transcribe has the job exactly once, whoever's call it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import structlog

from producer.contract.job import Job, JobState
from worker import s3_layout
from worker.account.calls import in_turn
from worker.aws.errors import AlreadyExists
from worker.aws.objects import StoredObject
from worker.aws.parameters import start_parameters
from worker.aws.transcribe import Done, Status
from worker.errors import Permanent
from worker.leases import LeaseLost
from worker.runtime.runner import Work
from worker.stages.ownership import check_free, name_taken

log = structlog.get_logger()


#: S3 and HTTP tell times to the second, and AWS's clocks may differ a little.
_SLACK = timedelta(seconds=2)
#: By so much AWS's clock and Redis's may differ.
_CLOCKS = timedelta(minutes=2)


def start_job(work: Work) -> dict[str, str]:
    """Start the Transcribe job, or adopt it if an earlier call did.

    Returns the fields for the record: where the result goes, since when one may be there, and
    whether the job is not ours.

    Raises:
        Permanent: if AWS will never take it, or the name belongs to other audio.
        Transient, SlotsTaken: as AWS's error is classified.
        NotYet: if its turn to be started comes later.
    """
    job, settings = work.job, work.worker.settings
    media_uri = job.media_uri or job.request.audio
    output = s3_layout.output_uri(job, settings.bucket, settings.prefix)
    parameters = start_parameters(
        job.request, name=job.aws_name, media_uri=media_uri, output_uri=output
    )
    try:
        keeps_write_check = check_free(work, output)
    except Permanent:
        # What lies there may be of this very job, if an earlier call has started it.
        if (status := status_if_ours(work, job)) is not None:
            return adopted(work, status)
        raise
    try:
        gate = in_turn(work, "StartTranscriptionJob")
        started_at = work.worker.transcribe.start(parameters, gate)
    except AlreadyExists:
        status = status_if_ours(work, job)
        if status is None:
            raise name_taken(job.aws_name) from None
        return adopted(work, status)
    kept = {"keeps_write_check": "yes"} if keeps_write_check else {}
    return _fields(work, started_at) | kept | _own(job)


def adopted(work: Work, status: Status) -> dict[str, str]:
    """The fields for the record of a job that Transcribe has already."""
    foreign = is_foreign(work, work.job, status)
    log.info("start.adopted", foreign=foreign)
    whose = {"adopted": "yes"} if foreign else _own(work.job)
    return _fields(work, status.created_at) | whose


def ended_with(job: Job, result_uri: str | None) -> dict[str, str]:
    """The fields for the record of a job that Transcribe has done, which tells where the result is.

    Nobody else has Transcribe write into the job's folder; and what writes elsewhere than this job
    says is not of this job.

    Args:
        job: whose record says where it is to be.
        result_uri: where it is; None if that is not our bucket.
    """
    if result_uri != job.result_uri:
        return {"adopted": "yes"}
    return _own(job) if job.request.key is None else {}


def _own(job: Job) -> dict[str, str]:
    numbers = sorted({*job.own_attempts, job.attempt})
    return {"adopted": "", "own_attempts": json.dumps(numbers)}


def _fields(work: Work, started_at: datetime | None) -> dict[str, str]:
    job, settings = work.job, work.worker.settings
    # By AWS's clock, so that a result's time, which is S3's, compares with it.
    since = started_at or datetime.fromtimestamp(work.lease.acquired_at, UTC) - _CLOCKS
    output = s3_layout.output_uri(job, settings.bucket, settings.prefix)
    return {
        "result_uri": s3_layout.result_uri(job, output),
        "started_at": f"{since.timestamp():.3f}",
    }


def hand_to_poll(work: Work, fields: dict[str, str]) -> None:
    """Record that Transcribe has the job; if it was stopped meanwhile, keep its slot until it ends.

    Raises:
        LeaseLost: if the job is not ours to move any more.
    """
    try:
        work.advance(JobState.TRANSCRIBING, "running", **fields)
    except LeaseLost:
        if not work.worker.store.settle(work.lease, work.job.id, "running", fields):
            raise
        log.info("start.stopped_meanwhile")


def settle(work: Work) -> None:
    """A job was stopped while it was to be started: it runs at AWS, or it does not."""
    status = status_if_ours(work, work.job)
    if status is None:
        work.worker.store.settle(work.lease, work.job.id, "ended")
    else:
        work.worker.store.settle(work.lease, work.job.id, "running", adopted(work, status))


def is_foreign(work: Work, job: Job, status: Status) -> bool:
    """Whether somebody else started a Transcribe job that has this job's name and audio.

    Others may use the same recording, and any message may name their job. Theirs writes elsewhere,
    or was made before a call of this job can have been sent. But one that was made before may be
    of a job of the same name whose record is gone: then the audio bears our mark, or the result
    lies in the job's folder.
    """
    settings = work.worker.settings
    folder = s3_layout.own_folder(job, settings.bucket, settings.prefix)
    if (job.media_uri or "").startswith(folder):
        return False
    if isinstance(status, Done) and status.transcript_uri is not None:
        output = s3_layout.output_uri(job, settings.bucket, settings.prefix)
        result = s3_layout.result_uri(job, output)
        if s3_layout.uri_from_url(status.transcript_uri, settings.bucket) != result:
            return True
        if result.startswith(folder):
            return False
    if status.created_at is None or status.created_at >= _sent_since(work, job, status):
        return False
    audio = _audio(work, job)
    return audio is None or audio.owner != job.id


def _sent_since(work: Work, job: Job, status: Status) -> datetime:
    """Since when a call of this job may have been sent, by the service's clock."""
    since = max(job.created_at, job.times.get(JobState.STARTING, job.created_at))
    if status.seen_at is None:
        return since - _CLOCKS
    ago = datetime.fromtimestamp(work.now(), UTC) - since
    return status.seen_at - ago - _SLACK


def status_if_ours(work: Work, job: Job) -> Status | None:
    """The Transcribe job of this name, if it was made for the audio that lies there now.

    The same address proves nothing: another recording may have lain there when it was made. But
    since this job was submitted only its own has, though a worker that was paused in the middle of
    its upload may have put it there once more, after the job was started.
    """
    if job.media_uri is None:
        return None
    status = work.worker.transcribe.status(job.aws_name, in_turn(work, "GetTranscriptionJob"))
    if status is None or status.media_uri != job.media_uri:
        return None
    if status.created_at is not None and status.created_at >= job.created_at:
        return status
    audio = _audio(work, job)
    if audio is None or status.created_at is None:
        return status
    return status if status.created_at + _SLACK >= audio.modified_at else None


def _audio(work: Work, job: Job) -> StoredObject | None:
    """The audio in S3; None also if only Transcribe may see it."""
    try:
        return work.worker.storage.find(job.media_uri or "")
    except Permanent:
        return None
