"""The envelope of a Celery message (protocol 2), trusted in nothing.

Kombu and Celery trust what lies in a queue: an entry that is not their JSON, or has a header of the
wrong type, ends the worker process. So each is looked at here first.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ValidationError, model_validator

from producer.contract import Stage

_TASKS = frozenset(stage.task for stage in Stage)
#: Of what belongs to an entry of the schedule: a job's id, or a number.
_LONGEST_ID = 255


class NotForUs(ValueError):
    """What is wrong with a message, in a few words."""


class Envelope(BaseModel):
    """A message for one of our tasks, as far as it is looked at."""

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
        self.argument()
        return self

    @classmethod
    def parse(cls, message: object) -> Self:
        """Check a message that is JSON.

        Raises:
            NotForUs: if it is none for our tasks.
        """
        try:
            return cls.model_validate(message)
        except ValidationError as error:
            finding = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in finding["loc"])
            what = finding["msg"].removeprefix("Value error, ")
            raise NotForUs(f"{where}: {what}" if where else what) from None

    @classmethod
    def from_bytes(cls, message: bytes) -> Self:
        """Check a message as it lay in the queue.

        Raises:
            NotForUs: if it is none for our tasks.
        """
        try:
            return cls.parse(json.loads(message.decode()))
        except UnicodeDecodeError:
            raise NotForUs("it is not UTF-8") from None
        except json.JSONDecodeError:
            raise NotForUs("it is not JSON") from None
        except RecursionError:
            raise NotForUs("it is nested too deeply") from None

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

    def entry(self) -> str:
        """The entry of the schedule that the message is about.

        Raises:
            NotForUs: if it is about something else.
        """
        argument = self.argument()
        if not isinstance(argument, str) or not 0 < len(argument) <= _LONGEST_ID:
            raise NotForUs("the argument of this task is a job's id")
        return argument

    def passed_on(self) -> dict[str, Any]:
        """The message without anything that we do not use: no times, callbacks or chains.

        Raises:
            NotForUs: if it is about no entry of the schedule.
        """
        identity = {"task": self.headers.task, "id": self.headers.id, "root_id": self.headers.id}
        properties = self.properties.model_dump(exclude={"body_encoding"})
        return {
            "headers": {"lang": "py", **identity},
            "properties": {**properties, "correlation_id": self.headers.id},
            "body": json.dumps([[self.entry()], {}, {}]),
            "content-type": "application/json",
            "content-encoding": "utf-8",
        }
