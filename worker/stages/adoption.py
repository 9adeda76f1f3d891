"""Adoption: whose a Transcribe job is that has a job's name, and taking over one that is ours."""

import json
from datetime import UTC, datetime, timedelta

import structlog

from producer.contract.job import Job, JobState
from producer.contract.s3_uri import S3Uri
from worker import s3_keys
from worker.aws.objects import StoredObject
from worker.aws.transcribe import Done, Status
from worker.errors import Permanent
from worker.runtime.work import Work

log = structlog.get_logger()

#: A field of the record: the Transcribe job is of an earlier job of the name, which may have had
#: other options, so that no other job gets its result.
STARTED_EARLIER = "started_earlier"
#: S3 and HTTP round times to the second, and AWS's clocks may differ a little.
_SLACK = timedelta(seconds=2)
#: By so much AWS's clock and Redis's may differ.
_CLOCKS = timedelta(minutes=2)


def status_if_ours(work: Work, job: Job) -> Status | None:
    """The Transcribe job of this name, if it was made for the audio that lies there now.

    The same address proves nothing: another recording may have lain there when it was made. But
    since this job was submitted only its own has, though a worker that was paused in the middle of
    its upload may have put it there once more, after the job was started.
    """
    if job.media_uri is None:
        return None
    gate = work.rate_limited("GetTranscriptionJob")
    status = work.worker.transcribe.status(job.aws_name, gate)
    if status is None or status.media_uri != job.media_uri:
        return None
    if status.created_at is not None and status.created_at >= job.created_at:
        return status
    audio = _audio(work, job)
    if audio is None or status.created_at is None:
        return status
    return status if status.created_at + _SLACK >= audio.modified_at else None


def is_foreign(work: Work, job: Job, status: Status) -> bool:
    """Whether somebody else started a Transcribe job that has this job's name and audio.

    Others may use the same recording, and any message may name their job. Theirs writes elsewhere,
    or was made before a call of this job can have been sent. But one that was made before may be
    of a job of the same name whose record is gone: then the audio bears our mark, or the result
    lies in the job's folder.
    """
    settings = work.worker.settings
    folder = s3_keys.own_folder(job.id, settings)
    if (job.media_uri or "").startswith(folder):
        return False
    if isinstance(status, Done) and status.transcript_uri is not None:
        output = s3_keys.output_uri(job, settings)
        result = s3_keys.result_uri(job, output)
        if status.transcript_uri != result:
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


def _audio(work: Work, job: Job) -> StoredObject | None:
    """The audio in S3; None also if only Transcribe may see it."""
    try:
        return work.worker.storage.head(S3Uri(job.media_uri or ""))
    except (Permanent, ValueError):  # or S3 does not allow such a bucket name any more
        return None


def adopted(work: Work, status: Status) -> dict[str, str]:
    """The fields for the record of a job that Transcribe has already."""
    foreign = is_foreign(work, work.job, status)
    log.info("start.adopted", foreign=foreign)
    whose = {"adopted": "yes"} if foreign else own_attempt(work.job)
    if status.created_at is None or status.created_at < work.job.created_at:
        whose[STARTED_EARLIER] = "yes"
    return started(work, status.created_at) | whose


def ended_with(job: Job, result_uri: str | None) -> dict[str, str]:
    """The fields for the record of a job that Transcribe has done, by where the result is.

    A job that we adopted may write to another address than ours. Nobody else has Transcribe write
    into the job's folder; and what writes elsewhere than this job says is not of this job.

    Args:
        job: its record says where the result should be.
        result_uri: where it is; None if that is not our bucket.
    """
    if result_uri != job.result_uri:
        return {"result_uri": result_uri or job.result_uri or "", "adopted": "yes"}
    return own_attempt(job) if job.request.key is None else {}


def own_attempt(job: Job) -> dict[str, str]:
    """The fields for the record of a job whose present attempt is ours."""
    numbers = sorted({*job.own_attempts, job.attempt})
    return {"adopted": "", "own_attempts": json.dumps(numbers)}


def started(work: Work, started_at: datetime | None) -> dict[str, str]:
    """The fields for the record of a job that was started: where its result goes, and since when.

    Args:
        work: at the job.
        started_at: when Transcribe says that it was created; None if it does not say.
    """
    job, settings = work.job, work.worker.settings
    # By AWS's clock, so that a result's time, which is S3's, compares with it.
    since = started_at or datetime.fromtimestamp(work.lease.acquired_at, UTC) - _CLOCKS
    output = s3_keys.output_uri(job, settings)
    return {
        "result_uri": s3_keys.result_uri(job, output),
        "started_at": f"{since.timestamp():.3f}",
    }
