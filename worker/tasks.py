"""The story of a job, one Celery task a stage.

    upload ──► READY queue ──► start ──► running set ──► poll ──► collect ──► cleanup

A message names an entry of the schedule and nothing else; what the job's record says decides. Each
stage is a handler in a file of its own, which does the effect first, then the record, and with the
record what comes next. Every effect may be done twice, so a worker simply repeats what broke off.
"""

from celery import shared_task

from producer.contract.stages import Stage
from worker.ingress.accept import Submit
from worker.recovery.scan import Recover
from worker.runtime.runner import run
from worker.stages.cleanup import Cleanup
from worker.stages.collect import Collect
from worker.stages.poll import Poll
from worker.stages.start import Start
from worker.stages.upload import Upload

HANDLERS = {
    handler.stage: handler
    for handler in (Submit(), Upload(), Start(), Poll(), Collect(), Cleanup(), Recover())
}


@shared_task(name=Stage.SUBMIT.task)
def submit(number: str) -> None:
    """Accept a message of another language: check it, record its request, queue its upload."""
    run(HANDLERS[Stage.SUBMIT], number)


@shared_task(name=Stage.UPLOAD.task)
def upload(job_id: str) -> None:
    """UPLOADING -> READY: check the audio, and put it into S3 unless it is there already."""
    run(HANDLERS[Stage.UPLOAD], job_id)


@shared_task(name=Stage.START.task)
def start(job_id: str) -> None:
    """STARTING -> TRANSCRIBING: Transcribe has the job, by this call or by an earlier one."""
    run(HANDLERS[Stage.START], job_id)


@shared_task(name=Stage.POLL.task)
def poll(fleet: str) -> None:
    """Send to collect what has probably ended, ask AWS about the rest; again after a while."""
    run(HANDLERS[Stage.POLL], fleet)


@shared_task(name=Stage.COLLECT.task)
def collect(job_id: str) -> None:
    """-> COLLECTING -> COMPLETED: all that AWS wrote is on disk, whole, and the text in Redis."""
    run(HANDLERS[Stage.COLLECT], job_id)


@shared_task(name=Stage.CLEANUP.task)
def cleanup(job_id: str) -> None:
    """Delete what is ours: audio we uploaded, result objects, the Transcribe job, stray files."""
    run(HANDLERS[Stage.CLEANUP], job_id)


@shared_task(name=Stage.RECOVER.task)
def recover(fleet: str) -> None:
    """For the whole fleet, on request: record again what Redis has lost and AWS still has."""
    run(HANDLERS[Stage.RECOVER], fleet)
