"""The options that several commands have, and the fields of a request that they stand for."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import reduce, wraps
from pathlib import Path
from typing import Any

import click
from pydantic import JsonValue

from producer.cli.inputs.selection import Named
from producer.contract.formats import FORMATS

Command = Callable[..., object]

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
        "--fresh",
        is_flag=True,
        help="Transcribe anew, also where a job with the same audio and options has a result.",
    ),
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


@dataclass(frozen=True)
class RecordingOptions:
    """What `submit` and `local` have in common: which recordings, and how."""

    language: str | None
    formats: str | None
    cleanup: bool
    fresh: bool
    recursive: bool
    settings: tuple[str, ...]
    env_file: Path | None
    use_existing: bool
    replace: bool

    def fields(self, *, tenant: str | None = None, **others: str | None) -> dict[str, object]:
        """What was given, and further options, as fields of a request.

        Raises:
            UsageError: if an assignment of --set has another form than FIELD=VALUE.
        """
        fields: dict[str, object] = dict(map(_field, self.settings))
        fields.update({name: value for name, value in others.items() if value is not None})
        if self.language is not None:
            codes = [code.strip() for code in self.language.split(",")]
            fields["language"] = codes if len(codes) > 1 else self.language
        if self.formats is not None:
            fields["formats"] = [kind.strip() for kind in self.formats.split(",") if kind.strip()]
        if self.cleanup:
            fields["cleanup"] = True
        if self.fresh:
            fields["fresh"] = True
        if tenant is not None:
            metadata = fields.get("metadata", {})
            if not isinstance(metadata, dict):
                raise click.UsageError("--set metadata needs a JSON object")
            fields["metadata"] = {**metadata, "tenant": tenant}
        return fields

    def named(
        self,
        files: tuple[str, ...],
        fields: Mapping[str, object],
        *,
        here: bool,
        mirrors: bool = False,
    ) -> Named:
        """The recordings that a person named; with `mirrors`, results are named like them.

        Raises:
            UsageError: if the options for an object at S3_OBJECT do not go together.
        """
        if self.use_existing or self.replace:
            both = "--use-existing and --replace"
            if self.env_file is None:
                raise click.UsageError(f"{both} go with --env-file")
            if self.use_existing and self.replace:
                raise click.UsageError(f"{both} exclude each other")
            if files:
                raise click.UsageError(f"{both} are about LOCAL_AUDIO; name no files")
        return Named(files, self.env_file, fields, self.recursive, here, self.use_existing, mirrors)


def recording_options(command: Command) -> Command:
    """Declare these options; the command gets them as `recordings`."""

    @wraps(command)
    def run(**values: Any) -> object:
        ours = {each.name: values.pop(each.name) for each in fields(RecordingOptions)}
        return command(recordings=RecordingOptions(**ours), **values)

    return reduce(lambda declared, option: option(declared), reversed(_RECORDINGS), run)


def _field(assignment: str) -> tuple[str, JsonValue]:
    name, equals, value = assignment.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set needs FIELD=VALUE, not {assignment!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value
