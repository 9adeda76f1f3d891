"""Accept messages of other languages, trusted in nothing."""

import json

import structlog

from producer.backend.inbox import MAX_BYTES
from producer.contract.request import TranscriptionRequest, is_name
from producer.contract.s3_uri import without_signature
from producer.contract.stages import Stage
from producer.contract.submission import Submission
from producer.errors import InvalidRequest
from worker.errors import Permanent
from worker.ingress.envelope import Envelope, NotForUs
from worker.runtime.context import Context
from worker.runtime.work import Handler, Work

log = structlog.get_logger()


class Submit(Handler):
    """A message of another language, from the inbox to a job or a dead letter."""

    stage = Stage.SUBMIT
    entry = "message"

    def run(self, work: Work) -> None:
        """Accept the message, then forget it."""
        accept(work.worker, work.lease.entry_id)
        work.complete()

    def abandon(self, work: Work, error: Permanent) -> None:
        """Keep a message that the worker cannot accept, such as one that crashes it."""
        add_dead_letter(work.worker, work.lease.entry_id, error.message)
        work.complete()


def accept(worker: Context, number: str) -> None:
    """Do what a message of the inbox asks for.

    The message is deleted afterwards only, so that a worker may die at any moment; to do it twice
    has one effect.
    """
    message = worker.inbox.read(number)
    if message is None:
        return  # another worker has done it
    try:
        envelope = _parse(*message)
    except NotForUs as error:
        add_dead_letter(worker, number, f"Not a message for us: {error}.")
        return
    # Messages for other tasks are hints, which the schedule does not need.
    if envelope.headers.task == Stage.SUBMIT.task:
        accept_request(worker, envelope.argument(), envelope.headers.id or number)


def _parse(message: bytes, length: int) -> Envelope:
    if length > len(message):  # the inbox reads no more of it
        raise NotForUs(f"it is {length} bytes long, and a message has at most {MAX_BYTES}")
    envelope = Envelope.from_bytes(message)
    if envelope.headers.task != Stage.SUBMIT.task:
        envelope.entry()
    return envelope


def add_dead_letter(worker: Context, number: str, reason: str) -> None:
    """Keep a message as it came among the dead letters."""
    message = worker.inbox.read(number)
    if message is not None:
        log.warning("message.refused", reason=reason)
        worker.dead_letters.add(message[0].decode(errors="backslashreplace"), reason)


def accept_request(worker: Context, request: object, message_id: str) -> None:
    """Record a request and queue its upload, or keep it among the dead letters with the reason.

    Without a name, the job's id is made of the message's: the same message twice is one job.
    """
    try:
        checked = TranscriptionRequest.parse(request)
    except InvalidRequest as error:
        _refuse_request(worker, request, str(error))
        return
    submission = Submission.of(checked, checked.new_job_id(message_id))
    ((job_id, answer),) = next(
        worker.store.record([submission], deadline=worker.settings.deadline, at_once=True)
    )
    if answer == "different":
        _refuse_request(worker, request, f"The name {job_id} is taken by a different request.")
        return
    log.info("request.accepted", new_job=job_id)


def _refuse_request(worker: Context, request: object, reason: str) -> None:
    log.warning("request.refused", reason=reason)
    request = _unsigned(request)
    worker.dead_letters.add(json.dumps(request, default=repr), reason)
    name = request.get("name") if isinstance(request, dict) else None
    if isinstance(name, str) and is_name(name):
        audio = request.get("audio") if isinstance(request, dict) else None
        shown = {"name": name, "audio": audio[:4096] if isinstance(audio, str) else ""}
        worker.store.refuse(name, json.dumps(shown), reason)


def _unsigned(request: object) -> object:
    """A request as it may be kept: a presigned address would open the recording to its readers."""
    if isinstance(request, dict) and isinstance(request.get("audio"), str):
        return {**request, "audio": without_signature(request["audio"])}
    return request
