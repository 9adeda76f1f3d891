"""The envelope of a Celery message (protocol 2), trusted in nothing.

Kombu and Celery trust the entries of a queue: one that is not their JSON, or has a header of the
wrong type, ends the worker process. So the transport checks each entry here first.
"""

import base64
import itertools
import json
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from producer.backend.inbox import MAX_BYTES
from producer.contract.stages import CONTROL_QUEUE, Stage

_TASKS = frozenset(stage.task for stage in Stage)
#: Characters of what names an entry of the schedule: a job's id, or a number.
_MAX_ID = 255
#: The keys, and no others, of a value that kombu turns into a type of its own.
_TYPED = {"__type__", "__value__"}
#: Numbers the messages of this process, which nobody else reads.
_DELIVERIES = itertools.count()


class NotForUs(ValueError):
    """What is wrong with a message, in a few words."""


class Envelope(BaseModel):
    """A message for one of our tasks, without what nobody reads."""

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
            raise ValueError(f"its task is not {' or '.join(sorted(_TASKS))}")
        argument = self.argument()
        # JSON can write half a character, which neither Redis nor a log takes.
        for text in (self.headers.id, *([argument] if isinstance(argument, str) else [])):
            text.encode()
        return self

    @classmethod
    def parse(cls, message: object) -> Self:
        """Check a message that is JSON; raises NotForUs if it is not for our tasks."""
        try:
            return cls.model_validate(message)
        except ValidationError as error:
            finding = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in finding["loc"])
            what = finding["msg"].removeprefix("Value error, ")
            raise NotForUs(f"{where}: {what}" if where else what) from None

    @classmethod
    def from_bytes(cls, message: bytes) -> Self:
        """Check a message as it was in the queue; raises NotForUs if it is not for our tasks."""
        return cls.parse(parse_json(message))

    def argument(self) -> Any:
        """The task's one argument.

        Raises:
            ValueError: if the body has another shape.
        """
        encoded = self.properties.body_encoding is not None
        try:
            text = base64.b64decode(self.body, validate=True) if encoded else self.body
            body = json.loads(text, object_hook=_plain)
        except (ValueError, RecursionError):
            raise ValueError("the body must be JSON, in base64 if body_encoding says so") from None
        match body:
            case [[argument], {}, *_]:
                return argument
        raise ValueError("the body must be [[argument], {}, {}], with one argument")

    def entry(self) -> str:
        """The entry of the schedule that the message is about.

        Raises:
            NotForUs: if it is about something else.
        """
        argument = self.argument()
        if not isinstance(argument, str) or not 0 < len(argument) <= _MAX_ID:
            raise NotForUs("the argument of this task is a job's id")
        return argument

    def passed_on(self, queue: str) -> dict[str, Any]:
        """The message without anything that we do not use: no times, callbacks or chains.

        Kombu keeps its books by what a message says of its delivery, so we write that ourselves.

        Raises:
            NotForUs: if it is about no entry of the schedule.
        """
        if self.headers.task == Stage.SUBMIT.task and queue != CONTROL_QUEUE:
            raise NotForUs(f"requests belong into {CONTROL_QUEUE}")
        identity = {"task": self.headers.task, "id": self.headers.id, "root_id": self.headers.id}
        delivery = {"exchange": "", "routing_key": queue}
        properties = {"delivery_tag": str(next(_DELIVERIES)), "delivery_info": delivery}
        return {
            "headers": {"lang": "py", **identity},
            "properties": {**properties, "correlation_id": self.headers.id},
            "body": json.dumps([[self.entry()], {}, {}]),
            "content-type": "application/json",
            "content-encoding": "utf-8",
        }


def parse_json(message: bytes) -> Any:
    """What a message says, in JSON's own types.

    Raises:
        NotForUs: if it is not JSON, or so long or deep that parsing it delays other messages, or if
            kombu would make something else of it.
    """
    if len(message) > MAX_BYTES:
        raise NotForUs(f"it is {len(message)} bytes long, and a message has at most {MAX_BYTES}")
    try:
        return json.loads(message.decode(), object_hook=_plain)
    except UnicodeDecodeError:
        raise NotForUs("it is not UTF-8") from None
    except json.JSONDecodeError:
        raise NotForUs("it is not JSON") from None
    except ValueError as error:
        raise NotForUs(str(error)) from None
    except RecursionError:
        raise NotForUs("it is nested too deeply") from None


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.keys() == _TYPED:
        raise ValueError("it has a value of a type that only Python knows")
    return fields
