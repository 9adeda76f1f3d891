"""A finished job's files: beneath the results root, whole or not there at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from producer.contract import Job
from producer.transcript import Transcript
from worker.errors import Permanent, Transient

_FILE_MODE = 0o640
_FOLDER_MODE = 0o750
_TEMPORARY = ".part"


def write_results(job: Job, transcript: Transcript, root: Path) -> dict[str, Path]:
    """Write `transcript.json` and the formats asked for; returns format -> path.

    Each file is written under a temporary name and renamed, so that a reader finds it whole.

    Raises:
        Permanent: if the job's `output` is outside the results root.
        Transient: if the disk does not take them.
    """
    folder = results_folder(job, root)
    try:
        _make_folders(folder)
        files: dict[str, Path] = {
            kind: _write(folder / f"transcript.{kind}", transcript.render(kind))
            for kind in dict.fromkeys(("json", *job.request.formats))
        }
        # A worker that was killed as it wrote may have left its own.
        for temporary in folder.glob(f".*{_TEMPORARY}"):
            temporary.unlink(missing_ok=True)
        return files
    except OSError as error:
        raise Transient(
            "ResultsNotWritten", f"The results cannot be written: {error.strerror}."
        ) from error


def discard_results(files: Iterable[Path]) -> None:
    """Take back what was just written for a job that has been stopped meanwhile."""
    folders = set()
    for path in files:
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        with suppress(OSError):  # there is something else in it
            folder.rmdir()


def results_folder(job: Job, root: Path) -> Path:
    """Where a job's files go.

    Raises:
        Permanent: if its `output` is outside the results root, symlinks resolved.
    """
    folder = Path(os.path.realpath(root / (job.request.output or "") / job.id))
    if not folder.is_relative_to(os.path.realpath(root)):
        raise Permanent(
            "OutsideResultsRoot",
            "The output folder is not beneath the worker's results root (TRANSCRIBE_RESULTS_DIR).",
        )
    return folder


def _make_folders(folder: Path) -> None:
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        with suppress(FileExistsError):
            path.mkdir(mode=_FOLDER_MODE)
            # The umask was taken off the mode.
            path.chmod(_FOLDER_MODE)


def _write(path: Path, content: str | bytes) -> Path:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_FILE_MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
