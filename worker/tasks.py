"""The story of a job, one task a stage.

    upload ──► line of READY ──► start ──► set of running ──► poll ──► collect ──► cleanup

Each task is told a job's id and nothing else; what it finds in the job's record decides. Order in
each: the effect, then the record, and with the record what comes next. Every effect may be done
twice, so whatever breaks off is simply done again.
"""

from __future__ import annotations

from producer.contract.job import Stage
from worker.celery import app
from worker.errors import Permanent
from worker.ingress import accept
from worker.recovery import scan
from worker.runtime.runner import Work, admit, stage
from worker.stages import cleanup as cleaning
from worker.stages import collect as collecting
from worker.stages import earlier_life, fetching, ownership, retrying
from worker.stages import poll as polling
from worker.stages import start as starting
from worker.stages import upload as uploading


@stage(app, Stage.SUBMIT)
def submit(work: Work) -> None:
    """The door for other languages: check a message, record its request, queue its upload."""
    accept.take_in(work.worker, work.lease.entry_id)
    work.complete()


@stage(app, Stage.UPLOAD)
def upload(work: Work) -> None:
    """UPLOADING -> READY: the audio is checked, and put into S3 unless it is there already."""
    uploading.hand_on(work, uploading.place_audio(work))
    admit(work.worker)


@stage(app, Stage.START)
def start(work: Work) -> None:
    """STARTING -> TRANSCRIBING: Transcribe has the job, by this call or by an earlier one."""
    if work.job.state.is_terminal:  # cancelled or overdue: see what became of it at AWS
        starting.settle(work)
        return
    fields = starting.start_job(work)
    starting.hand_to_poll(work, fields)


@stage(app, Stage.POLL)
def poll(work: Work) -> None:
    """TRANSCRIBING -> COLLECTING, for all jobs that have ended; then again after a while."""
    look = work.worker.running.snapshot(work.worker.admission.limit("ListTranscriptionJobs"))
    ended = 0
    for job, outcome in polling.ended_jobs(work, look):
        polling.move_on(work, job, outcome)
        ended += 1
    admit(work.worker)
    polling.look_again(work, look) if ended < len(look.jobs) else work.complete()


@stage(app, Stage.COLLECT)
def collect(work: Work) -> None:
    """COLLECTING -> COMPLETED: all that AWS wrote is on disk, whole, and the text is in Redis.

    Of a job that is retried there may be none: it goes back to where one may come from.
    """
    try:
        transcript = collecting.fetch(work)
    except Permanent as error:
        if not work.job.is_retried or error.code not in collecting.NO_RESULT:
            raise
        retrying.go_on_without_result(work)
        return
    with collecting.discarded_if_stopped(work):
        beside = fetching.fetch_beside(work)
        files = collecting.keep(work, transcript)
        collecting.complete(work, files | beside.files, beside.not_written)


@stage(app, Stage.CLEANUP)
def cleanup(work: Work) -> None:
    """Delete what is ours: audio we uploaded, result objects, the Transcribe job; stray files."""
    ownership.reserve_key(work)  # what lies beside it may be another job's by now
    if earlier_life.is_found(work):  # it is cleaned up once that has ended at AWS
        return
    cleaning.abort_uploads(work)
    if cleaning.audio_may_go(work.job):
        cleaning.delete_audio(work)
    if cleaning.results_may_go(work.job):
        cleaning.delete_results(work)
    if cleaning.transcription_may_go(work.job):
        cleaning.delete_job(work)
    cleaning.discard_files(work)
    work.worker.store.record_cleanup(work.lease)


@stage(app, Stage.RECOVER)
def recover(work: Work) -> None:
    """Not of one job: records anew what Redis has forgotten and AWS still knows, if asked to."""
    scan.recover(work)
