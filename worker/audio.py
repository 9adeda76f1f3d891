"""Local recordings: beneath the audio roots, of a kind and size that Transcribe takes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from struct import error as StructError  # noqa: N812 - the library's name says nothing
from typing import BinaryIO, Self, cast

from tinytag import TinyTag, TinyTagException

from producer.containers import detect_container
from producer.media import MAX_BYTES, refusal
from producer.options import MediaFormat
from worker.errors import Permanent

#: Source: Amazon Transcribe's guidelines and quotas.
MIN_SECONDS = 0.5
MAX_SECONDS = 4 * 3600.0
#: What may be read of a recording to learn its length; a hostile header asks for gigabytes.
_GLANCE_READS = 100_000
_GLANCE_BYTES = 16 * 1024 * 1024


@dataclass
class LocalAudio:
    """An open recording that was checked; close it, or use it in a `with`."""

    path: Path
    file: BufferedReader
    size: int
    format: MediaFormat

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def open_audio(
    path: str,
    roots: Iterable[Path],
    media_format: MediaFormat | None = None,
    *,
    sized: Callable[[int], object] = int,
) -> LocalAudio:
    """Open and check a recording before anything is uploaded.

    The checks are made on the opened file, so a symlink swapped in between changes nothing.

    Args:
        path: of the recording.
        roots: folders beneath which it must lie.
        media_format: what it is said to be, which is then not looked at.
        sized: called with its size in bytes before any of it is read; may raise.

    Raises:
        Permanent: with a sentence that says what is wrong with it.
    """
    name = Path(path).name
    file = _open(path, tuple(roots), name)
    try:
        size = _regular_size(file, name)
        sized(size)
        found = _format(file, name, media_format)
        _check_duration(file, name, size, found)
    except BaseException:
        file.close()
        raise
    return LocalAudio(Path(path), file, size, found)


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
    try:
        file = os.fdopen(descriptor, "rb")
    except IsADirectoryError:
        os.close(descriptor)
        raise Permanent("NotAFile", f"{name} is a directory, not a recording.") from None
    opened = Path(f"/proc/self/fd/{descriptor}")
    if opened.exists() and not _beneath(opened.readlink(), roots):
        file.close()
        raise outside
    return file


def _beneath(path: Path, roots: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _regular_size(file: BufferedReader, name: str) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise Permanent("NotAFile", f"{name} is a device or pipe, not a recording.")
    if status.st_size == 0:
        raise Permanent("Empty", f"{name} is empty.")
    if status.st_size > MAX_BYTES:
        raise Permanent("TooLarge", f"{name} is over 2 GB, the most Amazon Transcribe takes.")
    return status.st_size


def _format(file: BufferedReader, name: str, said: MediaFormat | None) -> MediaFormat:
    if said is not None:
        # Transcribe looks itself; who knows the recording may know better than our look at it.
        return said
    found = detect_container(file)
    if found is None or found.media_format is None:
        code = "NotAudio" if found is None else "UnsupportedFormat"
        raise Permanent(code, f"{name} {refusal(found)}")
    return found.media_format


def _check_duration(file: BufferedReader, name: str, size: int, found: MediaFormat) -> None:
    """Refuse what Transcribe would fail for its length, where a header tells it."""
    file.seek(0)
    glance = cast("BinaryIO", _Glance(file))
    try:
        # TinyTag goes by the name, which may say another format than the content.
        tag = TinyTag.get(filename=f"audio.{found}", file_obj=glance, tags=False)
    except (TinyTagException, StructError, ValueError, IndexError, KeyError, OSError):
        # A header we cannot read may be one that Transcribe can.
        return
    seconds = tag.duration
    # Zero or nothing: the header does not say.
    if not seconds:
        return
    if seconds < MIN_SECONDS:
        raise Permanent("TooShort", f"{name} is {seconds:.2f} s long; 0.5 s is the least.")
    # What was recorded to a pipe claims the greatest length that the header can hold.
    claimed_bytes = seconds * (tag.bitrate or 0.0) * 1000 / 8
    if seconds > MAX_SECONDS and claimed_bytes <= 1.1 * size:
        raise Permanent("TooLong", f"{name} is {seconds / 3600:.1f} h long; 4 h is the most.")


class _Glance:
    """A file of which only so much can be read."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._reads = _GLANCE_READS
        self._bytes = _GLANCE_BYTES

    def read(self, size: int) -> bytes:
        self._reads -= 1
        self._bytes -= size
        if self._reads < 0 or self._bytes < 0:
            raise OSError("this is no header any more")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
