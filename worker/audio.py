"""Local recordings: beneath the audio roots, of a kind and size that Transcribe takes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from struct import error as StructError  # noqa: N812 - the library's name says nothing
from types import TracebackType
from typing import Self

from tinytag import TinyTag, TinyTagException

from producer.media import HEAD_BYTES, MAX_BYTES, READABLE, sniff
from producer.options import MediaFormat
from worker.errors import Permanent

#: Source: Amazon Transcribe's guidelines and quotas.
MIN_SECONDS = 0.5
MAX_SECONDS = 4 * 3600.0


@dataclass
class LocalAudio:
    """An open recording that was checked; close it, or use it in a `with`."""

    path: Path
    file: BufferedReader
    size: int
    format: MediaFormat

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()


def open_audio(
    path: str, roots: Iterable[Path], media_format: MediaFormat | None = None
) -> LocalAudio:
    """Open and check a recording before anything is uploaded.

    The checks are made on the opened file, so a symlink swapped in between changes nothing.

    Raises:
        Permanent: with a sentence that says what is wrong with it.
    """
    name = Path(path).name
    file = _open(path, tuple(roots), name)
    try:
        size = _regular_size(file, name)
        found = _recognised(file, name, media_format)
        _check_duration(file, name)
    except BaseException:
        file.close()
        raise
    return LocalAudio(Path(path), file, size, found)


def _family(media_format: MediaFormat) -> str:
    return "mp4" if media_format == "m4a" else media_format


def _open(path: str, roots: tuple[Path, ...], name: str) -> BufferedReader:
    outside = Permanent(
        "OutsideAudioRoots",
        f"{name} is not beneath the worker's audio roots (TRANSCRIBE_AUDIO_ROOTS).",
    )
    # Before anything is opened, so that the answer does not tell what exists elsewhere.
    if not _beneath(Path(os.path.realpath(path)), roots):
        raise outside
    try:
        # Without O_NONBLOCK a named pipe would be waited on for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Permanent("NoSuchFile", f"There is no file {name} where the worker looks.") from None
    except PermissionError:
        raise Permanent("Unreadable", f"The worker may not read {name}.") from None
    except OSError as error:
        raise Permanent("Unreadable", f"{name} cannot be read: {error.strerror}.") from None
    file = os.fdopen(descriptor, "rb")
    opened = Path(f"/proc/self/fd/{descriptor}")
    if opened.exists() and not _beneath(opened.readlink(), roots):
        file.close()
        raise outside
    return file


def _beneath(path: Path, roots: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _regular_size(file: BufferedReader, name: str) -> int:
    status = os.fstat(file.fileno())
    if stat.S_ISDIR(status.st_mode):
        raise Permanent("NotAFile", f"{name} is a directory, not a recording.")
    if not stat.S_ISREG(status.st_mode):
        raise Permanent("NotAFile", f"{name} is a device or pipe, not a recording.")
    if status.st_size == 0:
        raise Permanent("Empty", f"{name} is empty.")
    if status.st_size > MAX_BYTES:
        raise Permanent("TooLarge", f"{name} is over 2 GB, the most Amazon Transcribe takes.")
    return status.st_size


def _recognised(file: BufferedReader, name: str, asked: MediaFormat | None) -> MediaFormat:
    found = sniff(file.read(HEAD_BYTES))
    if found is None:
        raise Permanent("NotAudio", f"{name} is not a recording that is read here ({READABLE}).")
    if asked is not None and _family(asked) != _family(found):
        raise Permanent("WrongFormat", f"{name} is {found}, but media_format says {asked}.")
    return found


def _check_duration(file: BufferedReader, name: str) -> None:
    """Refuse what Transcribe would fail for its length, where a header tells it."""
    file.seek(0)
    try:
        seconds = TinyTag.get(filename=name, file_obj=file, tags=False).duration
    except (TinyTagException, StructError, ValueError, IndexError, KeyError, OSError):
        # A header we cannot read may be one that Transcribe can.
        return
    # Zero or nothing: the header does not say.
    if not seconds:
        return
    if seconds < MIN_SECONDS:
        raise Permanent("TooShort", f"{name} is {seconds:.2f} s long; 0.5 s is the least.")
    if seconds > MAX_SECONDS:
        raise Permanent("TooLong", f"{name} is {seconds / 3600:.1f} h long; 4 h is the most.")
