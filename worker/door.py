"""The door for other languages: a request from outside, trusted in nothing."""

from __future__ import annotations

import json

import structlog

from producer.contract import TranscriptionRequest
from producer.errors import InvalidRequest
from producer.request import NAME
from worker.context import Context

log = structlog.get_logger()


def let_in(worker: Context, request: object) -> None:
    """Record a request and queue its upload, or keep it among the dead letters with the reason."""
    try:
        checked = TranscriptionRequest.parse(request)
    except InvalidRequest as error:
        _refuse(worker, request, str(error))
        return
    job_id, answer = next(
        iter(
            worker.store.create(
                [(checked.new_job_id(), checked)],
                deadline=worker.settings.deadline,
                at_once=True,
            )
        )
    )
    if answer == "different":
        _refuse(worker, request, f"The name {job_id} is taken by a different request.")
        return
    log.info("door.accepted", new_job=job_id)


def _refuse(worker: Context, request: object, reason: str) -> None:
    log.warning("door.refused", reason=reason)
    worker.dead_letters.bury(json.dumps(request, default=repr), reason)
    name = request.get("name") if isinstance(request, dict) else None
    if isinstance(name, str) and NAME.fullmatch(name):
        audio = request.get("audio") if isinstance(request, dict) else None
        shown = {"name": name, "audio": audio[:4096] if isinstance(audio, str) else ""}
        worker.store.refuse(name, json.dumps(shown), reason)
