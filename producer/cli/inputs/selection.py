"""The recordings that a person names on the command line: files, folders, S3 objects."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from producer.cli.inputs.env_file import audio_of
from producer.cli.inputs.folders import files_beneath
from producer.cli.inputs.result_names import kept_apart, mirrored
from producer.cli.inputs.skipped import Skipped
from producer.contract.containers import detect_container
from producer.contract.media import MAX_BYTES, refusal
from producer.contract.request import TranscriptionRequest
from producer.errors import InvalidRequest
from producer.legacy_env_file import read_request

_NOTHING_NAMED = "name a FILE, a DIRECTORY with --recursive, s3://BUCKET/KEY, or -"
_NEEDS_RECURSIVE = "is a directory: add --recursive to submit all recordings beneath it."
_SAME = "is a recording that you named already; it is transcribed once."
_NO_NAME = "is an empty name: a variable of the shell may not be set."
_NOT_UTF_8 = "has a name that is not UTF-8, which JSON cannot contain: rename it."

Watch = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Selection:
    """The requests for what a person named, and what the command skips of it."""

    requests: list[TranscriptionRequest]
    skipped: Skipped
    #: audio -> size and time, of what was found in folders, or of all files for `local`: the same
    #: again is the same job
    stamps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """A file or address that a person named, or a file beneath a folder that a person named."""

    audio: str
    #: a file to check
    path: Path | None = None
    #: the folder that a person named
    folder: Path | None = None


@dataclass(frozen=True)
class Named:
    """What a person named: files, folders, S3 objects, the original script's settings file."""

    files: tuple[str, ...]
    env_file: Path | None
    #: fields of the requests
    options: Mapping[str, object]
    #: accept folders, with everything beneath them
    recursive: bool = False
    #: check the files; False if only workers can see them
    here: bool = True
    #: use the object that the settings file names, and ignore local files
    use_existing: bool = False
    #: name results as the recordings, in the same folders
    mirrors: bool = False

    def selection(self, *, may_be_none: bool = False, watch: Watch = iter) -> Selection:
        """Make a request for each recording; skip what Amazon Transcribe can never transcribe.

        Args:
            may_be_none: nothing need be named.
            watch: everything to check, such as thousands of files, passes through it.

        Raises:
            InvalidRequest: if everything is skipped, or an option is wrong.
            InvalidSettings: if the settings file is missing.
            UsageError: if nothing was named, or one name for several recordings.
        """
        files, fields = self._files_and_fields()
        if not files:
            if may_be_none:
                return Selection([], Skipped())
            raise click.UsageError(_NOTHING_NAMED)
        # Wrong options are wrong for all.
        TranscriptionRequest.parse({"audio": "/any", **fields})
        skipped = Skipped()
        without_recording: set[Path] = set()
        found = [each for name in files for each in self._found(name, without_recording, skipped)]
        # With media_format, a person overrides what we detect.
        detects_all = "media_format" not in fields
        requests = []
        seen: set[str] = set()
        stamps: dict[str, str] = {}
        for each in watch(found):
            try:
                more = {"output": mirrored(each.path, each.folder)} if self.mirrors else {}
                stamped = stamps if self.mirrors or each.folder is not None else {}
                request = _checked(each, {**more, **fields}, stamped, detects_all=detects_all)
            except _NotTranscribable as reason:
                skipped.add(each.path or each.audio, str(reason), named=each.folder is None)
                continue
            without_recording.discard(each.folder or Path())
            # Named by a symlink, or beside its folder, AWS would bill it twice.
            audio = request.audio if each.path is None else os.path.realpath(each.path)
            if audio in seen:
                skipped.add(each.path or each.audio, _SAME, named=False)
            else:
                seen.add(audio)
                requests.append(request)
        if len(requests) > 1 and ("name" in fields or "key" in fields):
            raise click.UsageError("a name or key is for one recording, and you named several")
        for folder in sorted(without_recording):
            skipped.add(folder, "has no recording that can be submitted.", named=True)
        if not requests:
            raise skipped.error()
        return Selection(kept_apart(requests) if self.mirrors else requests, skipped, stamps)

    def _files_and_fields(self) -> tuple[tuple[str, ...], dict[str, object]]:
        if "-" in self.files:
            raise click.UsageError(
                "- goes with `transcribe submit` and no other FILE: all requests come from stdin; "
                "for a file of that name type ./-"
            )
        if self.env_file is None:
            return self.files, dict(self.options)
        fields = {**read_request(self.env_file), **self.options}
        fields.pop("audio", None)
        if self.files:
            return self.files, fields
        audio = audio_of(self.env_file, here=self.here, use_existing=self.use_existing)
        return (audio,), fields

    def _found(self, name: str, without_recording: set[Path], skipped: Skipped) -> Iterator[_Found]:
        """Yield what a name stands for; note each folder as one without a recording so far."""
        if not name:
            skipped.add("''", _NO_NAME, named=True)
            return
        if "://" in name:
            yield _Found(name)
            return
        path = Path(name)
        if not self.here:
            yield _Found(str(path.absolute()))
        elif not os.path.isdir(name):  # noqa: PTH112 - does not raise in an unreadable folder
            yield _Found(str(path.absolute()), path)
        elif not self.recursive:
            skipped.add(path, _NEEDS_RECURSIVE, named=True)
        else:
            without_recording.add(path)
            for each in files_beneath(path, skipped):
                yield _Found(str(each.absolute()), each, path)


class _NotTranscribable(Exception):
    """Amazon Transcribe can never transcribe it; says why, in words that follow its name."""


def _checked(
    found: _Found, fields: Mapping[str, object], stamps: dict[str, str], *, detects_all: bool
) -> TranscriptionRequest:
    """The request for a recording; notes the stamp of a file."""
    if found.path is not None:
        stamps[found.audio] = _check(found.path, detect=detects_all or found.folder is not None)
    return _request(found, fields)


def _request(found: _Found, fields: Mapping[str, object]) -> TranscriptionRequest:
    try:
        found.audio.encode()
    except UnicodeEncodeError:
        raise _NotTranscribable(_NOT_UTF_8) from None
    try:
        return TranscriptionRequest.parse({"audio": found.audio, **fields})
    except InvalidRequest as error:
        raise _NotTranscribable(f"is refused. {error}") from None


def _check(path: Path, *, detect: bool) -> str:
    """Refuse at once what a worker would refuse later; with `detect`, also by content.

    Returns size and time, which change when somebody writes to it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _NotTranscribable("is a device or pipe, not a recording.")
        with path.open("rb") as file:
            problem = refusal(detect_container(file)) if detect else None
    except FileNotFoundError:
        raise _NotTranscribable(
            "leads to a file that does not exist." if path.is_symlink() else "does not exist."
        ) from None
    except OSError as error:
        raise _NotTranscribable(f"cannot be read: {error.strerror}.") from None
    except ValueError:
        raise _NotTranscribable("is not a path.") from None
    if status.st_size == 0:
        raise _NotTranscribable("is empty.")
    if status.st_size > MAX_BYTES:
        raise _NotTranscribable("is over 2 GB, the maximum of Amazon Transcribe.")
    if problem is not None:
        raise _NotTranscribable(problem)
    return f"{status.st_size} {status.st_mtime_ns}"
