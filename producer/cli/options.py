"""The options that several commands have, and the fields of a request that they stand for."""

import json
from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import TypeVar

import click
from pydantic import JsonValue

from producer.contract.formats import FORMATS

Command = TypeVar("Command", bound=Callable[..., object])

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0), help="The maximum time to wait, in seconds."
)

_RECORDINGS = (
    click.option(
        "--language", help="A code (en-US), `auto`, or codes to choose from (en-US,de-DE)."
    ),
    click.option(
        "--format", "formats", help=f"Files to write: {','.join(FORMATS)}.  [default: txt]"
    ),
    click.option("--cleanup", is_flag=True, help="Delete audio, result and job at AWS when done."),
    click.option(
        "--recursive", is_flag=True, help="Submit every recording beneath a directory, by content."
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Any other field."
    ),
    click.option(
        "--env-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The original script's settings file: it names audio, S3 key and job.",
    ),
    click.option(
        "--use-existing",
        is_flag=True,
        help="With --env-file: transcribe the object at S3_OBJECT, and ignore LOCAL_AUDIO.",
    ),
    click.option(
        "--replace",
        is_flag=True,
        help="With --env-file, in `transcribe local --aws` only: overwrite S3_OBJECT and its "
        "result, even those of other software.",
    ),
)


def recording_options(command: Command) -> Command:
    """Declare what `submit` and `local` have in common: which recordings, and how."""
    return reduce(lambda declared, option: option(declared), reversed(_RECORDINGS), command)


def request_fields(
    assignments: Iterable[str],
    *,
    language: str | None,
    formats: str | None,
    cleanup: bool,
    tenant: str | None = None,
    **others: str | None,
) -> dict[str, object]:
    """The options of a command that were given, as fields of a request.

    Raises:
        UsageError: if an assignment of --set has another form than FIELD=VALUE.
    """
    fields: dict[str, object] = dict(map(_field, assignments))
    fields.update({name: value for name, value in others.items() if value is not None})
    if language is not None:
        codes = [code.strip() for code in language.split(",")]
        fields["language"] = codes if len(codes) > 1 else language
    if formats is not None:
        fields["formats"] = [kind.strip() for kind in formats.split(",") if kind.strip()]
    if cleanup:
        fields["cleanup"] = True
    if tenant is not None:
        metadata = fields.get("metadata", {})
        if not isinstance(metadata, dict):
            raise click.UsageError("--set metadata needs a JSON object")
        fields["metadata"] = {**metadata, "tenant": tenant}
    return fields


def _field(assignment: str) -> tuple[str, JsonValue]:
    name, equals, value = assignment.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set needs FIELD=VALUE, not {assignment!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value
