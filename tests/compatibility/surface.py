"""What a version offers, as far as its code says so: each part becomes a frozen file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click
from pydantic import BaseModel

import producer
from producer.backend import keys
from producer.backend.capacity import Account
from producer.backend.dead_letters import DeadLetter
from producer.backend.recoveries import FoundJob
from producer.cli.program import transcribe
from producer.contract.job import Job, JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import QUEUES, Stage
from tests.support.reference import error_kinds
from worker.settings import WorkerSettings


def request() -> dict[str, Any]:
    """The JSON Schema of a request."""
    return TranscriptionRequest.model_json_schema()


def settings() -> dict[str, Any]:
    """The JSON Schema of the settings, without the prefix TRANSCRIBE_."""
    return WorkerSettings.model_json_schema()


def exit_codes() -> dict[str, int]:
    """The exit code of each error."""
    return {kind.__name__: kind.exit_code for kind in error_kinds()}


def commands() -> dict[str, list[str]]:
    """The options of each command."""
    return dict(_commands(transcribe, "transcribe"))


def _commands(command: click.Command, title: str) -> Iterator[tuple[str, list[str]]]:
    options = [name for each in command.params for name in each.opts if name.startswith("-")]
    yield title, sorted(options)
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _commands(each, f"{title} {name}")


def outputs() -> dict[str, Any]:
    """The JSON Schema of a line of `--json`, by commands."""
    finding = {
        "type": "object",
        "properties": {
            "check": {"type": "string"},
            "ok": {"type": "boolean"},
            "message": {"type": "string"},
            # Of the check `account` only.
            "account": _whole(Account),
        },
        "required": ["check", "ok", "message"],
    }
    finding["$defs"] = finding["properties"]["account"].pop("$defs")  # type: ignore[index]
    return {
        "status, list, wait": _whole(Job),
        "doctor": finding,
        "dead list": _whole(DeadLetter),
        "recover": _whole(FoundJob),
    }


def _whole(kind: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a line that shows every field, whether it is the default or not."""
    schema = kind.model_json_schema(mode="serialization")
    for each in (schema, *schema.get("$defs", {}).values()):
        if "properties" in each:
            each["required"] = sorted(each["properties"])
    return schema


def names() -> dict[str, Any]:
    """The names by which programs meet in Redis, and what Python imports."""
    return {
        "python": sorted(producer.__all__),
        "tasks": {stage.value: stage.task for stage in Stage},
        "queues": list(QUEUES),
        "states": list(JobState),
        "keys": {key.pattern: key.type for key in keys.KEYS},
    }


SURFACE: dict[str, Callable[[], Any]] = {
    "request": request,
    "settings": settings,
    "exit_codes": exit_codes,
    "commands": commands,
    "outputs": outputs,
    "names": names,
}
