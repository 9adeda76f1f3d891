"""What a person names on the command line, as requests: files, folders, S3 objects, JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import click
from pydantic import JsonValue

from producer.contract import TranscriptionRequest
from producer.errors import InvalidRequest
from producer.media import HEAD_BYTES, MAX_BYTES, READABLE, sniff

_EXTENSIONS = frozenset({".mp3", ".mp4", ".m4a", ".wav", ".flac", ".ogg", ".amr", ".webm"})


def recordings(named: Iterable[str], *, recursive: bool, here: bool = True) -> Iterator[str]:
    """Each recording named, or found in a folder named.

    Args:
        named: paths, or s3://bucket/key.
        recursive: take folders, with all that is beneath them.
        here: look at the files; False if only workers can see them.

    Raises:
        InvalidRequest: for what is missing, empty, too large, or no recording.
    """
    for name in named:
        if "://" in name:
            yield name
        elif not here:
            yield str(Path(name).absolute())
        elif Path(name).is_dir():
            yield from _beneath(Path(name), recursive=recursive)
        else:
            _check(Path(name))
            yield str(Path(name).absolute())


def json_lines(lines: IO[str]) -> Iterator[TranscriptionRequest]:
    """One request a line; empty lines are passed over.

    Raises:
        InvalidRequest: with the number of the line that is wrong.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield TranscriptionRequest.parse(json.loads(line))
        except (ValueError, RecursionError):
            raise InvalidRequest(f"Line {number} is not a JSON object.") from None
        except InvalidRequest as error:
            raise InvalidRequest(f"Line {number}: {error}") from None


def fields_set(assignments: Iterable[str]) -> dict[str, JsonValue]:
    """`FIELD=VALUE` of --set, where a value is JSON or else plain text.

    Raises:
        UsageError: if one has another form.
    """
    fields: dict[str, JsonValue] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set wants FIELD=VALUE, not {assignment!r}")
        try:
            fields[name] = json.loads(value)
        except (ValueError, RecursionError):
            fields[name] = value
    return fields


def languages(text: str) -> str | list[str]:
    """`en-US`, `auto`, or `en-US,de-DE` to choose from."""
    return text if "," not in text else [code.strip() for code in text.split(",")]


def formats(text: str) -> list[str]:
    """`txt,srt` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _beneath(folder: Path, *, recursive: bool) -> Iterator[str]:
    if not recursive:
        raise InvalidRequest(f"{folder} is a directory: add --recursive to take all beneath it.")
    found = False
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in _EXTENSIONS and path.is_file() and not hidden:
            _check(path)
            found = True
            yield str(path.absolute())
    if not found:
        raise InvalidRequest(f"There are no recordings ({READABLE}) beneath {folder}.")


def _check(path: Path) -> None:
    """Say at once what a worker would say later."""
    try:
        if path.exists() and not path.is_file():
            raise InvalidRequest(f"{path} is a device or pipe, not a recording.")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise InvalidRequest(f"There is no file {path}.") from None
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InvalidRequest(f"{path!s} is not a path.") from None
    if size == 0:
        raise InvalidRequest(f"{path} is empty.")
    if size > MAX_BYTES:
        raise InvalidRequest(f"{path} is over 2 GB, the most Amazon Transcribe takes.")
    if sniff(head) is None:
        raise InvalidRequest(f"{path} is not a recording that is read here ({READABLE}).")
