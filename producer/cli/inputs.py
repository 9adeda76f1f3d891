"""What a person names on the command line, as requests: files, folders, S3 objects, JSON lines."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import JsonValue

from producer.cli.folders import files_beneath
from producer.cli.left_out import LeftOut
from producer.cli.script_file import audio_of
from producer.contract.containers import detect_container
from producer.contract.media import MAX_BYTES, refusal
from producer.contract.request import TranscriptionRequest
from producer.errors import InvalidRequest
from producer.legacy_env_file import read_request

_NOTHING_NAMED = "name a FILE, a DIRECTORY with --recursive, s3://BUCKET/KEY, or -"
_NEEDS_RECURSIVE = "is a directory: add --recursive to take all beneath it."
_REPEATED = "is a recording that is taken already, and is transcribed once."
_NO_NAME = "is no name: a variable of the shell may not be set."
_NOT_UTF_8 = "has a name that is not UTF-8, which no request can hold: rename it."

Watch = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Selection:
    """What is taken of all that was named, and what is not."""

    requests: list[TranscriptionRequest]
    left_out: LeftOut


@dataclass(frozen=True)
class _Found:
    """Something that was named, or lies beneath a folder that was."""

    audio: str
    #: a file to look at
    path: Path | None = None
    #: the folder that was named
    folder: Path | None = None


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
    #: take the object that the settings file names, whatever lies here
    use_existing: bool = False

    def selection(self, *, may_be_none: bool = False, watch: Watch = iter) -> Selection:
        """A request for each recording, and what is left out because it can never be transcribed.

        Args:
            may_be_none: nothing need be named.
            watch: sees what is looked at, such as thousands of files, pass through it.

        Raises:
            InvalidRequest: if nothing of what was named can be taken, or an option is wrong.
            InvalidSettings: if the settings file is missing.
            UsageError: if nothing was named, or one name for several recordings.
        """
        files, fields = self._files_and_fields()
        if not files:
            if may_be_none:
                return Selection([], LeftOut())
            raise click.UsageError(_NOTHING_NAMED)
        # Wrong options are wrong for all.
        TranscriptionRequest.parse({"audio": "/any", **fields})
        left_out = LeftOut()
        bare: set[Path] = set()
        found = [each for name in files for each in self._found(name, bare, left_out)]
        # Who says what a recording is knows better than what can be seen of it.
        said = "media_format" in fields
        requests = []
        seen: set[str] = set()
        for each in watch(found):
            try:
                if each.path is not None:
                    _check(each.path, detect=each.folder is not None or not said)
                request = _request(each, fields)
                bare.discard(each.folder or Path())
                # By a symlink, or named beside its folder, it would be paid for twice.
                audio = request.audio if each.path is None else os.path.realpath(each.path)
                if audio in seen:
                    left_out.add(each.path or each.audio, _REPEATED, named=False)
                else:
                    seen.add(audio)
                    requests.append(request)
            except _Unsuitable as reason:
                left_out.add(each.path or each.audio, str(reason), named=each.folder is None)
        if len(requests) > 1 and ("name" in fields or "key" in fields):
            raise click.UsageError("a name or key is for one recording; several were named")
        for folder in sorted(bare):
            left_out.add(folder, "has no recording that can be taken.", named=True)
        if not requests:
            raise left_out.refusal()
        return Selection(requests, left_out)

    def _files_and_fields(self) -> tuple[tuple[str, ...], dict[str, object]]:
        if "-" in self.files:
            raise click.UsageError(
                "- is for `transcribe submit -` by itself, which takes all requests from stdin; "
                "a file of that name is ./-"
            )
        if self.env_file is None:
            return self.files, dict(self.options)
        fields = {**read_request(self.env_file), **self.options}
        fields.pop("audio", None)
        if self.files:
            return self.files, fields
        audio = audio_of(self.env_file, here=self.here, use_existing=self.use_existing)
        return (audio,), fields

    def _found(self, name: str, bare: set[Path], left_out: LeftOut) -> Iterator[_Found]:
        """What a name stands for; notes folders, in which nothing has been found fit yet."""
        if not name:
            left_out.add("''", _NO_NAME, named=True)
            return
        if "://" in name:
            yield _Found(name)
            return
        path = Path(name)
        if not self.here:
            yield _Found(str(path.absolute()))
        elif not os.path.isdir(name):  # noqa: PTH112 - does not raise where we may not look
            yield _Found(str(path.absolute()), path)
        elif not self.recursive:
            left_out.add(path, _NEEDS_RECURSIVE, named=True)
        else:
            bare.add(path)
            for each in files_beneath(path, left_out):
                yield _Found(str(each.absolute()), each, path)


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


def json_lines(lines: Iterable[bytes]) -> list[TranscriptionRequest]:
    """One request a line; empty lines are passed over.

    A program has written them, and may write them again: if one is wrong, none is taken.

    Raises:
        InvalidRequest: with the number of the line that is wrong, or if there is none.
    """
    requests = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            requests.append(TranscriptionRequest.parse(json.loads(line.decode())))
        except UnicodeDecodeError:
            raise InvalidRequest(f"Line {number} is not UTF-8.") from None
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


class _Unsuitable(Exception):
    """Something can never be transcribed; says why, in words that follow its name."""


def _request(found: _Found, fields: Mapping[str, object]) -> TranscriptionRequest:
    try:
        found.audio.encode()
    except UnicodeEncodeError:
        raise _Unsuitable(_NOT_UTF_8) from None
    try:
        return TranscriptionRequest.parse({"audio": found.audio, **fields})
    except InvalidRequest as error:
        raise _Unsuitable(f"is refused. {error}") from None


def _check(path: Path, *, detect: bool) -> None:
    """Say at once what a worker would say later; with `detect` also of what the file is."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Unsuitable("is a device or pipe, not a recording.")
        with path.open("rb") as file:
            problem = refusal(detect_container(file)) if detect else None
    except FileNotFoundError:
        raise _Unsuitable(
            "leads to a file that does not exist." if path.is_symlink() else "does not exist."
        ) from None
    except OSError as error:
        raise _Unsuitable(f"cannot be read: {error.strerror}.") from None
    except ValueError:
        raise _Unsuitable("is not a path.") from None
    if status.st_size == 0:
        raise _Unsuitable("is empty.")
    if status.st_size > MAX_BYTES:
        raise _Unsuitable("is over 2 GB, the most Amazon Transcribe takes.")
    if problem is not None:
        raise _Unsuitable(problem)
