"""What a forgotten job of the same name left at AWS, found when the present one is cancelled.

Redis may lose a job, and somebody may submit it again under its name. As the new job is started,
it finds and uses what the lost one left. If it is cancelled before that, nothing else would ever
delete what was left: so its cleanup searches for it.
"""

import json
from datetime import timedelta

import structlog

from producer.contract.job import Job, JobState
from worker import s3_keys
from worker.aws.transcribe import Status
from worker.leases import LeaseLost
from worker.recovery.artifacts import Artifacts, artifacts_by_job
from worker.runtime.work import Work

log = structlog.get_logger()

#: By so much S3's clock and Redis's may differ.
_CLOCKS = timedelta(minutes=2)


def record_leftovers(work: Work) -> bool:
    """Record what a forgotten job left as the present job's own; returns whether there is any.

    The job then keeps a slot until its Transcribe job has ended, and is cleaned up like any other.
    Only a cancelled job that was never started is searched for; most have nothing, which one call
    of S3 shows.

    Raises:
        Snooze: if no token to ask Transcribe is free in time.
        LeaseLost: if the job is not ours to clean any more.
    """
    job, settings = work.job, work.worker.settings
    if job.state is not JobState.CANCELLED or job.was_at_transcribe:
        return False
    artifacts = _artifacts(work)
    if artifacts is None or not _is_older(work, artifacts):
        return False
    last = max([job.attempt, *artifacts.results])
    known = None if artifacts.audio is not None else _at_transcribe(work, artifacts, last)
    while (further := _at_transcribe(work, artifacts, last + 1)) is not None:
        last, known = last + 1, further
    forgotten = job.model_copy(update={"attempt": last})
    output = s3_keys.output_uri(forgotten, settings)
    fields = {
        "attempt": str(last),
        "own_attempts": json.dumps(list(range(1, last + 1))),
        "media_uri": _media_uri(job, artifacts, known),
        "result_uri": s3_keys.result_uri(forgotten, output),
    }
    if not work.worker.store.settle(work.lease, job.id, "running", fields):
        raise LeaseLost
    log.info("cleanup.leftovers_recorded", attempt=last)
    return True


def _artifacts(work: Work) -> Artifacts | None:
    """What S3 has of the job: its folder, or with a key the audio, if that is this job's."""
    job, settings, worker = work.job, work.worker.settings, work.worker
    if job.request.key is None:
        objects = worker.storage.objects(s3_keys.own_folder(job.id, settings))
        return next(artifacts_by_job(objects, s3_keys.jobs_folder(settings)), None)
    if job.request.is_on_s3:
        return None  # What others put there looks like what we had Transcribe write.
    uri = s3_keys.audio_uri(job, settings, "wav")
    head = worker.storage.head(uri)
    if head is None or head.owner != job.id:
        return None
    return Artifacts.of_key(job.id, uri, head)


def _is_older(work: Work, artifacts: Artifacts) -> bool:
    """Whether any of it was there before this job: what it has uploaded itself says nothing."""
    job, audio = work.job, artifacts.audio
    if artifacts.has_write_check or artifacts.results:
        return True
    if audio is None:
        return False
    return JobState.UPLOADING not in job.times or audio.modified_at < job.created_at - _CLOCKS


def _at_transcribe(work: Work, artifacts: Artifacts, attempt: int) -> Status | None:
    """What Transcribe has of an attempt, if it is this job's."""
    name = work.job.model_copy(update={"attempt": attempt}).aws_name
    gate = work.rate_limited("GetTranscriptionJob")
    status = work.worker.transcribe.status(name, gate)
    jobs_folder = s3_keys.jobs_folder(work.worker.settings)
    if status is None or not artifacts.match_media(status.media_uri, jobs_folder):
        return None
    return status


def _media_uri(job: Job, artifacts: Artifacts, known: Status | None) -> str:
    """The media of the forgotten job; '' if nobody knows that any more.

    Its audio may be gone: the present job's upload found it, and deleted it when stopped.
    """
    if artifacts.audio is not None:
        return artifacts.audio.uri
    if known is not None:
        return known.media_uri
    return job.request.audio if job.request.is_on_s3 else ""
