"""Local recordings: beneath the audio roots, of a kind and size that Transcribe accepts."""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Self

from producer.contract.containers import detect_container, is_text
from producer.contract.media import MAX_BYTES, refusal
from producer.contract.options import MediaFormat
from worker.errors import Permanent, Transient
from worker.stages.lengths import check_length
from worker.stamp import Stamp, changed

#: Faults of the machine or a file server that pass; the recording is not at fault.
_TRANSIENT_ERRNOS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT}
)


@dataclass
class LocalAudio:
    """An open recording that was checked; close it, or use it in a `with`."""

    path: Path
    file: BufferedReader
    #: as it was before any of it was read
    stamp: Stamp
    format: MediaFormat
    roots: tuple[Path, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return self.stamp.size

    def check_unchanged(self) -> None:
        """Check that what was read is what is there; call it when all is read.

        Raises:
            Transient: if somebody has written to it, or put something else in its place.
            Permanent: if what was put there lies outside the audio roots.
        """
        try:
            # Opened again: over NFS only that asks the server, also for what is open already.
            with _open(str(self.path), self.roots, self.path.name) as again:
                current = Stamp.of(again.fileno())
        except Permanent as error:
            if error.code not in {"NoSuchFile", "Unreadable"}:
                raise
            # It was read whole, so its owner may move it now.
            current = self.stamp
        if current != self.stamp or Stamp.of(self.file.fileno()) != self.stamp:
            raise changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def open_audio(
    path: str,
    roots: Iterable[Path],
    media_format: MediaFormat | None = None,
    *,
    stamped: Callable[[Stamp], object] = str,
) -> LocalAudio:
    """Open and check a recording before anything is uploaded.

    The checks are made on the opened file, so a symlink swapped in between changes nothing.

    Args:
        path: of the recording.
        roots: folders beneath which it must lie.
        media_format: what the request says it is; the file itself is not checked then.
        stamped: called with its stamp before any other check; may raise.

    Raises:
        Permanent: with a sentence that says what is wrong with it.
        Transient: if the machine cannot open it now, and may later.
    """
    name, roots = Path(path).name, tuple(roots)
    file = _open(path, roots, name)
    try:
        stamp = _stamp(file, name)
        stamped(stamp)
        check_size(stamp.size, name)
        found = _format(file, name, media_format)
        check_length(file, stamp.size, name)
    except BaseException:
        file.close()
        raise
    return LocalAudio(Path(path), file, stamp, found, roots)


def _open(path: str, roots: tuple[Path, ...], name: str) -> BufferedReader:
    outside = Permanent(
        "OutsideAudioRoots",
        f"{name} is not beneath the worker's audio roots (TRANSCRIBE_AUDIO_ROOTS); "
        "`transcribe doctor` names them.",
    )
    # Before anything is opened, so that the answer does not show what exists elsewhere.
    if not _beneath(Path(os.path.realpath(path)), roots):
        raise outside
    try:
        # Without O_NONBLOCK the worker would wait for a named pipe for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Permanent("NoSuchFile", f"The worker finds no file {name} at that path.") from None
    except PermissionError:
        raise Permanent(
            "Unreadable",
            f"The worker may not read {name}: allow its user to read the file, then retry the job.",
        ) from None
    except OSError as error:
        if error.errno in _TRANSIENT_ERRNOS:
            message = f"The worker cannot open {name} now ({error.strerror}); the job waits."
            raise Transient("Unreadable", message) from None
        raise Permanent(
            "Unreadable", f"The worker cannot read {name} ({error.strerror})."
        ) from None
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


def _stamp(file: BufferedReader, name: str) -> Stamp:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise Permanent("NotAFile", f"{name} is a device or pipe, not a recording.")
    return Stamp.of(file.fileno())


def check_size(size: int, name: str) -> None:
    """Check that Transcribe accepts audio of so many bytes.

    Raises:
        Permanent: if it does not.
    """
    if size == 0:
        raise Permanent("Empty", f"{name} is empty.")
    if size > MAX_BYTES:
        raise Permanent(
            "TooLarge", f"{name} is over 2 GB, the most that Amazon Transcribe accepts."
        )


def _format(file: BufferedReader, name: str, requested: MediaFormat | None) -> MediaFormat:
    if requested is not None:
        # Transcribe checks it, too, and the request's author may know better than our check. But
        # no message has us upload the settings or transcripts beneath the audio roots.
        if is_text(file):
            raise Permanent(
                "NotAudio", f"{name} is text, not a recording, whatever media_format says."
            )
        return requested
    found = detect_container(file)
    if found is None or found.media_format is None:
        code = "NotAudio" if found is None else "UnsupportedFormat"
        raise Permanent(code, f"{name} {refusal(found)}")
    return found.media_format
