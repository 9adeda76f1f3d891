"""What a person names on the command line, as requests: files, folders, S3 objects, JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import JsonValue

from producer.cli import output
from producer.containers import detect_container
from producer.contract import TranscriptionRequest
from producer.errors import InvalidRequest
from producer.media import MAX_BYTES, READABLE, refusal
from producer.script_settings import read_request

_NOTHING_NAMED = "name a FILE, a DIRECTORY with --recursive, s3://BUCKET/KEY, or -"
_EXTENSIONS = frozenset({".mp3", ".mp4", ".m4a", ".wav", ".flac", ".ogg", ".amr", ".webm"})


Watch = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Named:
    """What a person named: files, folders, S3 objects, the original script's settings file."""

    files: tuple[str, ...]
    env_file: Path | None
    #: fields of the requests
    options: Mapping[str, object]
    #: take folders, with all that is beneath them
    recursive: bool = False
    #: look at the files; False if only workers can see them
    here: bool = True

    def requests(
        self, *, may_be_none: bool = False, watch: Watch = iter
    ) -> list[TranscriptionRequest]:
        """A request for each recording.

        Args:
            may_be_none: nothing need be named.
            watch: sees what is looked at, such as thousands of files, pass through it.

        Raises:
            InvalidRequest: for what is missing, empty, too large, or no recording.
            InvalidSettings: if the settings file is missing.
            UsageError: if nothing was named, or one name for several recordings.
        """
        if "-" in self.files:
            raise click.UsageError("- takes all requests from stdin; name no files beside it")
        files, fields = self.files, dict(self.options)
        if self.env_file is not None:
            fields = {**read_request(self.env_file), **fields}
            audio = fields.pop("audio", None)
            if not files and audio is None:
                raise InvalidRequest(f"{self.env_file} sets no LOCAL_AUDIO; name a file.")
            files = files or (str(audio),)
        if not files and not may_be_none:
            raise click.UsageError(_NOTHING_NAMED)
        # Who says what a recording is knows better than what can be seen of it.
        said = "media_format" in fields
        found = list(
            _recordings(files, recursive=self.recursive, here=self.here, said=said, watch=watch)
        )
        if len(found) > 1 and ("name" in fields or "key" in fields):
            raise click.UsageError("a name or key is for one recording; several were named")
        return [TranscriptionRequest.parse({"audio": audio, **fields}) for audio in found]


def options(
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
            raise click.UsageError("--set metadata wants a JSON object")
        fields["metadata"] = {**metadata, "tenant": tenant}
    return fields


def json_lines(lines: Iterable[str]) -> list[TranscriptionRequest]:
    """One request a line; empty lines are passed over.

    Raises:
        InvalidRequest: with the number of the line that is wrong, or if there is none.
    """
    requests = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            requests.append(TranscriptionRequest.parse(json.loads(line)))
        except (ValueError, RecursionError):
            raise InvalidRequest(f"Line {number} is not a JSON object.") from None
        except InvalidRequest as error:
            raise InvalidRequest(f"Line {number}: {error}") from None
    if not requests:
        raise InvalidRequest("There was no request on stdin.")
    return requests


def _field(assignment: str) -> tuple[str, JsonValue]:
    name, equals, value = assignment.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set wants FIELD=VALUE, not {assignment!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


@dataclass(frozen=True)
class _Found:
    """Something that was named, or lies beneath a folder that was."""

    audio: str
    #: a file to look at
    path: Path | None = None
    #: the folder that was named
    folder: Path | None = None


def _recordings(
    named: Iterable[str], *, recursive: bool, here: bool, said: bool, watch: Watch
) -> Iterator[str]:
    found = [each for name in named for each in _found(name, recursive=recursive, here=here)]
    folders = {each.folder: False for each in found if each.folder is not None}
    for each in watch(found):
        if each.path is not None:
            try:
                _check(each.path, detect=each.folder is not None or not said)
            except InvalidRequest as error:
                if each.folder is None:
                    raise
                # One bad file is no reason to leave out the others.
                output.chatter(f"left out: {error}")
                continue
        if each.folder is not None:
            folders[each.folder] = True
        yield each.audio
    for folder, has_some in folders.items():
        if not has_some:
            raise _no_recordings(folder)


def _found(name: str, *, recursive: bool, here: bool) -> list[_Found]:
    if "://" in name:
        return [_Found(name)]
    path = Path(name)
    if not here:
        return [_Found(str(path.absolute()))]
    if not os.path.isdir(name):  # noqa: PTH112 - does not raise where we may not look
        return [_Found(str(path.absolute()), path)]
    if not recursive:
        raise InvalidRequest(f"{path} is a directory: add --recursive to take all beneath it.")
    beneath = [
        _Found(str(each.absolute()), each, path)
        for each in sorted(path.rglob("*"))
        if each.suffix.lower() in _EXTENSIONS
        and not any(part.startswith(".") for part in each.relative_to(path).parts)
        and each.is_file()
    ]
    if not beneath:
        raise _no_recordings(path)
    return beneath


def _no_recordings(folder: Path) -> InvalidRequest:
    return InvalidRequest(f"There are no recordings ({READABLE}) beneath {folder}.")


def _check(path: Path, *, detect: bool) -> None:
    """Say at once what a worker would say later; with `detect` also of what the file is."""
    try:
        if path.exists() and not path.is_file():
            raise InvalidRequest(f"{path} is a device or pipe, not a recording.")
        size = path.stat().st_size
        with path.open("rb") as file:
            problem = refusal(detect_container(file)) if detect else None
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
    if problem is not None:
        raise InvalidRequest(f"{path} {problem}")
