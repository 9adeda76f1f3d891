"""Kombu's Redis transport, with a guard at its door.

Kombu and Celery trust what lies in a queue: an entry that is not their JSON, or has a header of the
wrong type, ends the worker process. Here only what is a message for one of our tasks goes on, and
of that only the task's name, id and argument; the rest becomes a dead letter, with the reason.
"""

from __future__ import annotations

import base64
import json
from queue import Empty
from typing import Any, Literal, Self

import structlog
from celery.app import amqp
from kombu import Connection as KombuConnection
from kombu.transport import redis
from pydantic import BaseModel, ValidationError, model_validator

from producer.contract import QUEUES, SUBMIT_TASK, Stage
from worker.context import context

log = structlog.get_logger()

_TASKS = frozenset({SUBMIT_TASK, *(stage.task for stage in Stage)})
_LONGEST_ID = 255


class Envelope(BaseModel):
    """A Celery message (protocol 2) for one of our tasks, as far as it is looked at."""

    class Headers(BaseModel):
        """What the message is for."""

        task: str
        id: str

    class Properties(BaseModel):
        """How it got here."""

        delivery_tag: str
        delivery_info: dict[str, Any]
        body_encoding: Literal["base64"] | None = None

    headers: Headers
    properties: Properties
    body: str

    @model_validator(mode="after")
    def _is_for_us(self) -> Self:
        if self.headers.task not in _TASKS:
            raise ValueError("there is no such task here")
        argument = self.argument()
        if self.headers.task == SUBMIT_TASK:
            return self
        if not isinstance(argument, str) or not 0 < len(argument) <= _LONGEST_ID:
            raise ValueError("the argument of this task is a job's id")
        return self

    def argument(self) -> Any:
        """The task's one argument.

        Raises:
            ValueError: if the body has another shape.
        """
        encoded = self.properties.body_encoding is not None
        try:
            body = json.loads(base64.b64decode(self.body, validate=True) if encoded else self.body)
        except (ValueError, RecursionError):
            raise ValueError("the body must be JSON, in base64 if body_encoding says so") from None
        match body:
            case [[argument], {}, *_]:
                return argument
        raise ValueError("the body must be [[argument], {}, {}], with one argument")

    def passed_on(self) -> dict[str, Any]:
        """The message without anything that we do not use: no times, callbacks or chains."""
        identity = {"task": self.headers.task, "id": self.headers.id, "root_id": self.headers.id}
        properties = self.properties.model_dump(exclude={"body_encoding"})
        return {
            "headers": {"lang": "py", **identity},
            "properties": {**properties, "correlation_id": self.headers.id},
            "body": json.dumps([[self.argument()], {}, {}]),
            "content-type": "application/json",
            "content-encoding": "utf-8",
        }


class Connection(KombuConnection):
    """A connection that looks for Redis every few seconds, however long it has been away."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Celery leaves the waits to kombu, which comes to look every 30 s only."""
        waits = {"interval_start": 1, "interval_step": 1, "interval_max": 2}
        return super().ensure_connection(*arguments, **(waits | options))


class Amqp(amqp.AMQP):
    """Celery's, with connections of ours."""

    Connection = Connection


class Channel(redis.Channel):
    """A channel on which neither what is no JSON nor a restart of Redis is a reason to stop."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        # Kombu 5.7.0 trips over this when a task ends after its connection was closed, and with
        # remote control on takes the worker with it.
        if self.connection.client is None:
            raise ConnectionError("the connection to Redis was closed meanwhile")
        return super()._connparams(asynchronous=asynchronous)

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)
        except RecursionError:
            log.warning("command.refused", reason="it is nested too deeply")
            return None

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except json.JSONDecodeError as error:
            _bury(error.doc, "it is not JSON")
        except UnicodeDecodeError as error:
            _bury(repr(error.object[:1000]), "it is not UTF-8")
        except RecursionError:
            _bury("", "it is nested too deeply to be kept")
        raise Empty


class Transport(redis.Transport):
    """Kombu's, which delivers only what is a message for us."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if queue not in QUEUES:
            self._deliver_command(message, queue)
            return
        try:
            envelope = Envelope.model_validate(message)
        except ValidationError as error:
            finding = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in finding["loc"])
            what = finding["msg"].removeprefix("Value error, ")
            _bury(json.dumps(message), f"{where}: {what}" if where else what)
        else:
            super()._deliver(envelope.passed_on(), queue)

    def _deliver_command(self, message: Any, queue: str) -> None:
        """Remote control, as by `celery inspect` and Flower."""
        try:
            super()._deliver(message, queue)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            log.warning("command.refused", reason=repr(error)[:200])


def _bury(message: str, reason: str) -> None:
    reason = f"Not a message for us: {reason}."
    log.warning("message.refused", reason=reason)
    context().dead_letters.bury(message, reason)
