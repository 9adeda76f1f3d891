"""Cleanup: delete what a job left at AWS, and only what is ours."""

from collections.abc import Iterable
from typing import get_args

import structlog

from producer.contract.job import Job, JobState
from producer.contract.options import MediaFormat
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from worker import s3_keys
from worker.errors import Permanent
from worker.recovery import forgotten_job
from worker.runtime.work import Handler, Work
from worker.stages import ownership
from worker.stages.adoption import is_foreign
from worker.stages.result_files import discard_results
from worker.stages.upload import abort_uploads

log = structlog.get_logger()


class Cleanup(Handler):
    """Deletes at AWS what is ours of a job whose request asks for it, or that was stopped."""

    stage = Stage.CLEANUP

    def run(self, work: Work) -> None:
        """Delete the job's uploads, audio, results, Transcribe job, and files of a stopped one."""
        ownership.reserve_key(work)  # what lies beside it may be another job's by now
        if forgotten_job.record_leftovers(work):  # cleaned up once they have ended at AWS
            return
        abort_leftover_uploads(work)
        if deletes_audio(work.job):
            delete_audio(work)
        if deletes_results(work.job):
            delete_results(work)
        if deletes_transcription(work.job):
            delete_job(work)
        discard_files(work)
        work.complete(cleaned_at=f"{work.now():.6f}")

    def abandon(self, work: Work, error: Permanent) -> None:
        """Record why something of the job is left; how the job itself ended stays as it is."""
        log.warning("cleanup.failed", code=error.code, reason=error.message)
        work.complete(cleanup_error=error.message)


def deletes_audio(job: Job) -> bool:
    """Whether to delete the audio; that of a failed job only if its request says so."""
    return job.state is not JobState.FAILED or job.request.cleanup


def deletes_results(job: Job) -> bool:
    """Whether to delete results; a failed job's was paid for, and a retry fetches it."""
    return job.state is not JobState.FAILED


def deletes_transcription(job: Job) -> bool:
    """Whether to delete the Transcribe job, as also when its job failed while it ran."""
    was_abandoned = job.error is not None and job.error.stage in {Stage.START, Stage.POLL}
    return deletes_audio(job) or was_abandoned


def abort_leftover_uploads(work: Work) -> None:
    """Abort what a worker that was killed, or the job's end, left half uploaded."""
    job, settings = work.job, work.worker.settings
    if job.request.is_on_s3 or job.state.has_result or not _was_uploaded(job):
        return
    if job.request.key is None:
        abort_uploads(work, s3_keys.own_folder(job.id, settings), beneath=True)
    else:
        abort_uploads(work, s3_keys.audio_uri(job, settings, "wav"))


def _was_uploaded(job: Job) -> bool:
    """Whether any of it may be in S3; there is nothing of one that waited for that in vain."""
    return JobState.UPLOADING in job.times or job.media_uri is not None


def delete_audio(work: Work) -> None:
    """Delete the audio if this job put it there; an object we did not create stays."""
    job, settings = work.job, work.worker.settings
    if job.request.is_on_s3 or not _was_uploaded(job):
        return
    # Of an upload that was stopped on its way, the record does not say where it went.
    candidates = (
        [S3Uri(job.media_uri)]
        if job.media_uri
        else [s3_keys.audio_uri(job, settings, each) for each in get_args(MediaFormat)]
    )
    for uri in dict.fromkeys(candidates):
        work.guard.fence()
        ownership.delete_audio(work, uri)


def delete_results(work: Work) -> None:
    """Delete the objects that Transcribe wrote for any attempt of this job, and nobody else's."""
    job, settings = work.job, work.worker.settings
    if job.adopted or not job.was_at_transcribe:
        return
    uris = [S3Uri(job.result_uri)] if job.result_uri is not None else []
    for number in _attempts_that_wrote(job):
        attempt = job.model_copy(update={"attempt": number})
        output = s3_keys.output_uri(attempt, settings)
        # What a job was completed without stays where it can still be fetched.
        is_result = job.state.has_result and number == job.attempt
        uris += [
            each.uri
            for each in s3_keys.written_objects(attempt, output)
            if not is_result or each.kind in job.files
        ]
        uris.append(s3_keys.write_check_uri(output))
    for uri in ownership.ours(work, uris):
        work.guard.fence()
        work.worker.storage.delete(uri)


def _attempts_that_wrote(job: Job) -> Iterable[int]:
    # Of an earlier attempt others may have had the name, and the place beside the key.
    return (
        range(1, job.attempt + 1)
        if job.request.key is None
        else sorted({*job.own_attempts, job.attempt})
    )


def discard_files(work: Work) -> None:
    """Delete the files of a job that was stopped, for the worker that wrote them may be gone.

    Raises:
        LeaseLost: if the job may have been retried meanwhile.
        Transient: if the disk refuses to delete them.
        Permanent: the same, for good.
    """
    job = work.job
    collected_at = job.times.get(JobState.COLLECTING)
    is_stopped = not job.state.has_result
    if is_stopped and collected_at is not None and collected_at >= job.created_at:
        work.guard.fence()
        discard_results(job, work.worker.settings.results_dir)


def delete_job(work: Work) -> None:
    """Delete the Transcribe jobs of all attempts.

    Raises:
        Snooze: if no token to ask or to delete is free in time.
        Transient: if it still runs.
        Permanent: if AWS refuses.
    """
    job, worker = work.job, work.worker
    if not job.was_at_transcribe:
        return
    for number, name in enumerate(job.aws_names, start=1):
        is_last = number == job.attempt
        if is_last and job.adopted:
            continue
        if not job.state.has_result or not is_last:
            # It may never have been started, and then the name may be somebody else's.
            status = worker.transcribe.status(name, work.rate_limited("GetTranscriptionJob"))
            if status is None or status.media_uri != job.media_uri:
                continue
            if number not in job.own_attempts and (not is_last or is_foreign(work, job, status)):
                continue
        worker.transcribe.delete(name, work.rate_limited("DeleteTranscriptionJob"))
