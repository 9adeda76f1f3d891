"""Kombu's Redis transport, with a guard at its door.

Kombu and Celery trust what lies in a queue: an entry that is not their JSON, or has a header of the
wrong type, ends the worker process. Here only what is a message for one of our tasks goes on, and
of that only the task's name, id and argument; the rest becomes a dead letter, with the reason.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any, Literal, Self

import structlog
from celery.app import amqp
from kombu.connection import Connection as KombuConnection
from kombu.transport import redis
from pydantic import BaseModel, Field, ValidationError, model_validator

from producer.contract import QUEUES, SUBMIT_TASK, Stage
from producer.dead_letters import MOST_CHARACTERS
from worker.context import context

log = structlog.get_logger()

_TASKS = frozenset({SUBMIT_TASK, *(stage.task for stage in Stage)})
_LONGEST_ID = 255
#: What is longer is not even parsed: no request is, and other messages would wait meanwhile.
MOST_BYTES = 1024 * 1024
#: By these keys, and no others, kombu knows a value of a type of its own.
_TYPED = {"__type__", "__value__"}


class Envelope(BaseModel):
    """A Celery message (protocol 2) for one of our tasks, as far as it is looked at."""

    class Headers(BaseModel):
        """What the message is for."""

        task: str
        id: str

    class Properties(BaseModel):
        """How it was sent."""

        body_encoding: Literal["base64"] | None = None

    headers: Headers
    properties: Properties
    content_type: Literal["application/json"] = Field("application/json", alias="content-type")
    body: str

    @model_validator(mode="after")
    def _is_for_us(self) -> Self:
        if self.headers.task not in _TASKS:
            raise ValueError("there is no such task here")
        argument = self.argument()
        # JSON can write half a character, which neither Redis nor a log takes.
        for text in (self.headers.id, *([argument] if isinstance(argument, str) else [])):
            text.encode()
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
            body = parsed(base64.b64decode(self.body, validate=True) if encoded else self.body)
        except (ValueError, RecursionError):
            raise ValueError("the body must be JSON, in base64 if body_encoding says so") from None
        match body:
            case [[argument], {}, *_]:
                return argument
        raise ValueError("the body must be [[argument], {}, {}], with one argument")

    def passed_on(self, queue: str) -> dict[str, Any]:
        """The message without anything that we do not use: no times, callbacks or chains.

        By what it says of its delivery kombu keeps it in its books, so that is our own.
        """
        identity = {"task": self.headers.task, "id": self.headers.id, "root_id": self.headers.id}
        delivery = {"exchange": "", "routing_key": queue}
        properties = {"delivery_tag": str(uuid.uuid4()), "delivery_info": delivery}
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
        except (ArithmeticError, AttributeError, RecursionError) as error:
            log.warning("command.refused", reason=repr(error)[:200])
            return None

    def _get_client(self) -> Any:
        class Client(super()._get_client()):  # type: ignore[misc]
            """A client that passes over what no message can be."""

            def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
                answer = super().parse_response(connection, command_name, **options)
                if command_name != "BRPOP" or not answer or _may_be_a_message(answer[1]):
                    return answer
                return None

        return Client


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
            super()._deliver(envelope.passed_on(queue), queue)

    def _deliver_command(self, message: Any, queue: str) -> None:
        """Remote control, as by `celery inspect` and Flower."""
        try:
            super()._deliver(message, queue)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            log.warning("command.refused", reason=repr(error)[:200])


def parsed(text: str | bytes) -> Any:
    """What some JSON says, in JSON's own types.

    Raises:
        ValueError: if it is no JSON, or kombu would make something else of it.
        RecursionError: if it is nested too deeply.
    """
    return json.loads(text, object_hook=_plain)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.keys() == _TYPED:
        raise ValueError("it has a value of a type that only Python knows")
    return fields


def _may_be_a_message(entry: bytes) -> bool:
    """Whether an entry of a queue can be looked at; buries it if not."""
    if len(entry) > MOST_BYTES:
        beginning = entry[: MOST_CHARACTERS + 1].decode(errors="replace")
        _bury(beginning, f"it is {len(entry)} bytes long, and {MOST_BYTES} are the most")
        return False
    try:
        parsed(entry.decode())
    except UnicodeDecodeError:
        _bury(repr(entry[:1000]), "it is not UTF-8")
    except ValueError as error:
        what = "it is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        _bury(entry.decode(), what)
    except RecursionError:
        _bury("", "it is nested too deeply to be kept")
    else:
        return True
    return False


def _bury(message: str, reason: str) -> None:
    reason = f"Not a message for us: {reason}."
    log.warning("message.refused", reason=reason)
    context().dead_letters.bury(message, reason)
