"""What a forgotten job of the same name left at AWS, found when the present one is cancelled.

Redis may lose a job. One that is submitted again under its name finds what it left, and uses it,
when it is started; one that is cancelled before that has to look, or nobody ever deletes it.
"""

from __future__ import annotations

import json
from datetime import timedelta

import structlog

from producer.contract.job import Job, JobState
from worker import s3_layout
from worker.aws.transcribe import Status
from worker.leases import LeaseLost
from worker.recovery.artifacts import Artifacts, folders
from worker.runtime.work import Work

log = structlog.get_logger()

#: By so much S3's clock and Redis's may differ.
_CLOCKS = timedelta(minutes=2)


def is_found(work: Work) -> bool:
    """Whether a cancelled job that was never started has an earlier life; it is recorded then.

    The job keeps a slot until that has ended at AWS, and cleanup then does as with any other. Most
    have none, which one call of S3 shows.

    Raises:
        Snooze: if no token to ask Transcribe is free in time.
        Transient, Permanent: as AWS's error is classified.
        LeaseLost: if the job is not ours to clean any more.
    """
    job, settings = work.job, work.worker.settings
    if job.state is not JobState.CANCELLED or job.was_at_transcribe:
        return False
    artifacts = _artifacts(work)
    if artifacts is None or not _is_earlier(work, artifacts):
        return False
    last = max([job.attempt, *artifacts.results])
    known = None if artifacts.audio is not None else _at_transcribe(work, artifacts, last)
    while (further := _at_transcribe(work, artifacts, last + 1)) is not None:
        last, known = last + 1, further
    earlier = job.model_copy(update={"attempt": last})
    output = s3_layout.output_uri(earlier, settings.bucket, settings.prefix)
    fields = {
        "attempt": str(last),
        "own_attempts": json.dumps(list(range(1, last + 1))),
        "media_uri": _media_uri(job, artifacts, known),
        "result_uri": s3_layout.result_uri(earlier, output),
    }
    if not work.worker.store.settle(work.lease, job.id, "running", fields):
        raise LeaseLost
    log.info("cleanup.earlier_job_found", attempt=last)
    return True


def _artifacts(work: Work) -> Artifacts | None:
    """What S3 has of the job: in its folder, or with a key the audio, if it bears our mark."""
    job, settings, worker = work.job, work.worker.settings, work.worker
    if job.request.key is None:
        prefix = f"s3://{settings.bucket}/{settings.prefix}"
        return next(folders(worker.inventory.objects(f"{prefix}{job.id}/", ""), prefix), None)
    if job.request.is_on_s3:
        return None  # What others put there looks like what we had Transcribe write.
    uri = s3_layout.audio_uri(job, settings.bucket, settings.prefix, "wav")
    there = worker.storage.find(uri)
    if there is None or there.owner != job.id:
        return None
    return Artifacts.of_key(job.id, uri, there)


def _is_earlier(work: Work, artifacts: Artifacts) -> bool:
    """Whether any of it was there before this job: what it has uploaded itself says nothing."""
    job, audio = work.job, artifacts.audio
    if artifacts.written_to or artifacts.results:
        return True
    if audio is None:
        return False
    return JobState.UPLOADING not in job.times or audio.modified_at < job.created_at - _CLOCKS


def _at_transcribe(work: Work, artifacts: Artifacts, attempt: int) -> Status | None:
    """What Transcribe has of an attempt, if it is this job's."""
    name = work.job.model_copy(update={"attempt": attempt}).aws_name
    gate = work.rate_limited("GetTranscriptionJob")
    status = work.worker.transcribe.status(name, gate)
    settings = work.worker.settings
    prefix = f"s3://{settings.bucket}/{settings.prefix}"
    return status if status is not None and artifacts.fit(status.media_uri, prefix) else None


def _media_uri(job: Job, artifacts: Artifacts, known: Status | None) -> str:
    """What the earlier life had transcribed; '' if nobody knows that any more.

    Its audio may be gone: the present job's upload found it, and deleted it when stopped.
    """
    if artifacts.audio is not None:
        return artifacts.audio.uri
    if known is not None:
        return known.media_uri
    return job.request.audio if job.request.is_on_s3 else ""
