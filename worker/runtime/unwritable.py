"""Whether results can be written, for `transcribe doctor`: at the root and where it failed."""

import errno
import os
import tempfile
import threading
from pathlib import Path

#: A file of so many bytes, which nobody sees, shows whether results can be written.
_TRIAL_BYTES = 65536
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: Folders that are remembered; what is wrong with so many is wrong with the rest.
_MAX_FOLDERS = 20


class UnwritableFolders:
    """The folders that results could not be written to, until a trial succeeds; thread-safe."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._lock = threading.Lock()
        self._folders: dict[Path, None] = {}

    def add(self, folder: Path) -> None:
        """Remember a folder, unless there are many already."""
        with self._lock:
            if len(self._folders) < _MAX_FOLDERS:
                self._folders[folder] = None

    def problem(self, root: Path) -> str | None:
        """What keeps results from being written, and what to do; None if nothing does.

        Tries the results root, and each folder that was added; one that can be written to again
        is forgotten.
        """
        with self._lock:
            folders = list(self._folders)
        for folder in (root, *folders):
            problem = _problem(folder)
            if problem is not None:
                return problem
            with self._lock:
                self._folders.pop(folder, None)
        return None


def nearest_existing(folder: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    # Unlike Path.exists, it does not raise where we lack the rights.
    return next(path for path in (folder, *folder.parents) if os.path.lexists(path))


def _problem(folder: Path) -> str | None:
    # It is made with the first result, so its nearest existing parent counts.
    nearest = nearest_existing(folder)
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(bytes(_TRIAL_BYTES))
    except OSError as error:
        if error.errno in _NO_ROOM:
            advice = "make room"
        elif error.errno == errno.EROFS:
            advice = "mount it for writing, or set TRANSCRIBE_RESULTS_DIR"
        else:
            advice = "let the worker write there, or set TRANSCRIBE_RESULTS_DIR"
        return f"The worker cannot write to {nearest} ({error.strerror}): {advice}."
    return None
