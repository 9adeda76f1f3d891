"""The pages of docs/ that are written from the code.

`python -m tests.support.reference` writes them anew; a test holds them against the code.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import producer
from producer import errors
from producer.cli.commands.policy import worker_policy
from producer.cli.program import transcribe
from producer.contract.options import TranscribeOptions
from producer.contract.request import TranscriptionRequest
from producer.settings import ProducerSettings
from tests.support import proofs
from worker.settings import WorkerSettings

FOLDER = Path(__file__).parents[2] / "docs"
#: Columns of the help of a command.
_WIDTH = 100


def commands() -> str:
    """Every command's `--help`, as it prints it."""
    lines = [
        "# Commands",
        "",
        "The help of each command; [the guide](../guides/command-line.md) shows them at work.",
    ]
    for title, text in _helps(transcribe, "transcribe"):
        lines += ["", f"## {title}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _helps(
    command: click.Command, title: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    context = command.make_context(
        title.rpartition(" ")[2],
        [],
        parent=parent,
        resilient_parsing=True,
        max_content_width=_WIDTH,
    )
    context.terminal_width = _WIDTH
    yield title, command.get_help(context)
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _helps(each, f"{title} {name}", context)


def settings() -> str:
    """Every setting: its variable, default and meaning."""
    shared = ", ".join(_variable(name) for name in ProducerSettings.model_fields)
    lines = [
        "# Settings",
        "",
        f"Producers read {shared}; workers read all. Set those alike on both sides.",
        "[Configuration](../guides/configuration.md) says where to write them.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in WorkerSettings.model_fields.items():
        lines.append(f"| {_variable(name)} | {_default(field.default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _variable(name: str) -> str:
    return f"`TRANSCRIBE_{name.upper()}`"


def _default(value: object) -> str:
    if value in (None, "", {}, ()):
        return ""
    if isinstance(value, tuple):
        return f"`{os.pathsep.join(map(str, value))}`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value}`"


def request() -> str:
    """Every field of a request."""
    schema = TranscriptionRequest.model_json_schema()
    of_transcribe = set(TranscribeOptions.model_fields)
    properties = schema["properties"]
    ours = {name: field for name, field in properties.items() if name not in of_transcribe}
    theirs = {name: field for name, field in properties.items() if name in of_transcribe}
    lines = [
        "# The request",
        "",
        "A request is one JSON object. Only `audio` is required, and unknown fields are refused.",
        "`transcribe schema` prints the whole JSON Schema.",
        "",
        *_table({"properties": ours}),
        "",
        "## Options of Amazon Transcribe",
        "",
        "They have the names of its StartTranscriptionJob, in snake_case, and mean what its",
        "documents say. On the command line each is a `--set NAME=VALUE`.",
        "",
        *_table({"properties": theirs}),
    ]
    for name, definition in sorted(schema["$defs"].items()):
        if "properties" in definition:
            lines += ["", f"## {name}", "", definition.get("description", "").strip(), ""]
            lines += _table(definition)
    return "\n".join(lines) + "\n"


def _table(schema: dict[str, Any]) -> list[str]:
    fields = schema["properties"]
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "type": _type,
        "default": lambda field: _json(field.get("default")),
        "meaning": lambda field: " ".join(field.get("description", "").split()),
    }
    shown = {title: of for title, of in columns.items() if any(map(of, fields.values()))}
    return [
        f"| field | {' | '.join(shown)} |",
        "|---" * (len(shown) + 1) + "|",
        *(
            f"| `{name}` | {' | '.join(of(field) for of in shown.values())} |"
            for name, field in fields.items()
        ),
    ]


def _json(value: object) -> str:
    return "" if value in (None, [], {}, ()) else f"`{json.dumps(value)}`"


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        kinds = [_type(each) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        values = field["enum"]
        shown = ", ".join(f"`{each}`" for each in values[:6])
        return shown if len(values) <= 6 else f"one of {len(values)}: {shown}, …"
    if field.get("type") == "array":
        inner = _type(field["items"]) if field.get("items") else ""
        return f"list of {inner}" if inner else "list"
    return str(field.get("type", "any"))


def error_kinds() -> list[type[errors.TranscribeQueueError]]:
    """Every class of error but the base of all."""
    kinds = [errors.TranscribeQueueError]
    for kind in kinds:
        kinds += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]
    return kinds[1:]


def error_page() -> str:
    """Every error of the library, with its exit code; and the exit codes of the command."""
    codes = re.findall(r"^  (\d+) +(.*)$", str(transcribe.epilog), re.MULTILINE)
    lines = [
        "# Errors and exit codes",
        "",
        "Every command ends with one sentence on stderr and one of these:",
        "",
        "| exit code | means | in Python |",
        "|---|---|---|",
    ]
    for number, text in codes:
        named = [f"`{kind.__name__}`" for kind in error_kinds() if kind.exit_code == int(number)]
        lines.append(f"| {number} | {text} | {' '.join(named if int(number) else [])} |")
    tree = inspect.getdoc(errors) or ""
    lines += ["", "In Python all errors have one base class:", "", "```text"]
    lines += [tree.partition("\n\n")[2].strip(), "```"]
    return "\n".join(lines) + "\n"


def iam_policy() -> str:
    """The policy of a worker."""
    return (
        "# IAM policy\n\n"
        "What `transcribe policy --bucket my-recordings` prints: the rights that workers need. "
        "Producers need none.\nWith `--audio-bucket archive` it adds reading audio from another "
        "bucket.\n\n"
        f"```json\n{json.dumps(worker_policy('my-recordings'), indent=2)}\n```\n"
    )


def python_api() -> str:
    """What `producer` exports, with its docstrings."""
    lines = [
        "# Python",
        "",
        "What `from producer import …` gives. [The guide](../guides/python.md) shows it at work.",
    ]
    for name in sorted(producer.__all__):
        thing = getattr(producer, name)
        if isinstance(thing, type) and issubclass(thing, errors.TranscribeQueueError):
            continue
        lines += ["", f"## {name}", "", *_doc(thing)]
        if isinstance(thing, type):
            for member, value in vars(thing).items():
                documented = inspect.isfunction(value) or isinstance(value, property | classmethod)
                if documented and not member.startswith("_") and value.__doc__:
                    lines += ["", f"### `{member}{_signature(value)}`", "", *_doc(value)]
    lines += ["", "All [errors](errors.md) are exported, too."]
    return "\n".join(lines) + "\n"


def _signature(value: object) -> str:
    if isinstance(value, property):
        return ""
    function = value.__func__ if isinstance(value, classmethod) else value
    text = str(inspect.signature(function))  # type: ignore[arg-type]
    text = re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text)  # the modules of types
    return re.sub(r"\((?:self|cls)(?:, )?", "(", text, count=1).replace("'", "")


def _doc(thing: object) -> list[str]:
    """A docstring, whose indented parts become code."""
    text = inspect.getdoc(thing) or ""
    parts = re.split(r"\n\n", text)
    shown = []
    for part in parts:
        head, _, rest = part.partition("\n")
        if head.rstrip() in {"Args:", "Raises:", "Returns:", "Yields:"}:
            shown += [f"{head}", "", "```text", textwrap.dedent(rest), "```", ""]
        else:
            shown += [part, ""]
    return shown[:-1]


PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands,
    "reference/settings.md": settings,
    "reference/request.md": request,
    "reference/errors.md": error_page,
    "reference/iam-policy.md": iam_policy,
    "reference/python.md": python_api,
    "explanation/proofs.md": proofs.page,
}


if __name__ == "__main__":
    for page, written in PAGES.items():
        (FOLDER / page).write_text(written())
