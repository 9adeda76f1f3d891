"""A finished job's files: beneath the results root, whole or not there at all."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from producer.contract.formats import (
    EXTRA_KINDS,
    FORMATS,
    TEMPORARY,
    file_name,
    is_private,
    is_reserved,
)
from producer.contract.job import Job
from producer.transcript.transcript import Transcript
from worker.errors import Permanent, StageError, Transient
from worker.runtime.unwritable import nearest_existing
from worker.runtime.work import Work

#: The code of an error that says that the disk does not accept a job's results.
_NOT_WRITTEN = "ResultsNotWritten"
_FILE_MODE = 0o640
_PRIVATE_MODE = 0o600
_FOLDER_MODE = 0o750
_MAX_FILE_NAME = max((file_name(kind) for kind in (*FORMATS, *EXTRA_KINDS)), key=len)
#: Faults of the path itself, which no operator mends with more room or other rights.
_PERMANENT_ERRNOS = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.EINVAL,
        errno.EILSEQ,
    }
)


def write_results(job: Job, transcript: Transcript, root: Path) -> dict[str, Path]:
    """Write `transcript.json` and the formats asked for; returns format -> path.

    Each file is written under a temporary name and renamed, so that a reader finds it whole.

    Raises:
        Permanent: if the job's `output` is outside the results root, or cannot be a results folder.
        Transient: if the disk does not accept them, and may once somebody has mended it.
    """
    folder = results_folder(job, root)
    with _disk_errors_classified(root):
        _make_folders(folder)
        files: dict[str, Path] = {
            kind: _write(folder, kind, [transcript.render(kind).encode()])
            for kind in dict.fromkeys(("json", *job.request.formats))
        }
        # A worker that was killed as it wrote may have left its own.
        for temporary in folder.glob(f".*{TEMPORARY}"):
            with suppress(OSError):
                temporary.unlink()
        return files


def write_fetched(job: Job, kind: str, pieces: Iterable[bytes], root: Path) -> Path:
    """Write what Transcribe wrote beside its document, piece by piece; returns its path.

    What shows unredacted text is readable by the worker's user alone. Errors are those of
    `write_results`, and what `pieces` raises.
    """
    folder = results_folder(job, root)
    with _disk_errors_classified(root):
        _make_folders(folder)
        return _write(folder, kind, pieces)


def discard_results(job: Job, root: Path) -> None:
    """Delete what was written for a job that has been stopped, also what is not whole yet.

    Raises:
        Transient, Permanent: as for `write_results`.
    """
    folder = results_folder(job, root)
    with _disk_errors_classified(root):
        whole = [folder / file_name(kind) for kind in (*FORMATS, *EXTRA_KINDS)]
        for path in (*whole, *folder.glob(f".*{TEMPORARY}")):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # it is not there, or there is something else in it
        folder.rmdir()


def results_folder(job: Job, root: Path) -> Path:
    """Where a job's files go.

    Raises:
        Permanent: if its `output` is outside the results root, symlinks resolved; or if a folder
            of it has the name of a file of results, or the path is too long for this machine.
    """
    root = Path(os.path.realpath(root))
    folder = Path(os.path.realpath(root / (job.request.output or "") / job.id))
    if folder == root or not folder.is_relative_to(root):
        raise Permanent(
            "OutsideResultsRoot",
            "The output folder is not beneath the worker's results root (TRANSCRIBE_RESULTS_DIR).",
        )
    parts = folder.relative_to(root).parts
    # Another job's file may have to be there.
    if any(is_reserved(part) for part in parts):
        raise Permanent(
            "ReservedName",
            "A folder of the job's results has the name of a file of results, such as "
            "transcript.json. Submit it with another name or output.",
        )
    if _is_too_long(folder, parts):
        raise Permanent(
            "PathTooLong",
            "The path of the job's results is too long for the worker's file system. Submit it "
            "with a shorter name or output.",
        )
    return folder


@contextmanager
def reported_if_unwritable(work: Work) -> Iterator[None]:
    """Let `transcribe doctor` say where the disk does not accept results."""
    try:
        yield
    except Transient as error:
        if error.code == _NOT_WRITTEN:
            work.worker.unwritable.add(results_folder(work.job, work.worker.settings.results_dir))
        raise


def _is_too_long(folder: Path, parts: Iterable[str]) -> bool:
    nearest = nearest_existing(folder)
    try:
        max_name = os.pathconf(nearest, "PC_NAME_MAX")
        max_path = os.pathconf(nearest, "PC_PATH_MAX")
    except OSError:  # writing will show it
        return False
    longest = max(len(os.fsencode(part)) for part in parts)
    return longest > max_name or len(os.fsencode(folder / _MAX_FILE_NAME)) >= max_path


@contextmanager
def _disk_errors_classified(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, root) from error


def disk_error(error: OSError, root: Path) -> StageError:
    """What it means for a job that the disk does not accept its results."""
    # Where the root itself is not a folder, the operator must set another.
    if error.errno in _PERMANENT_ERRNOS and os.path.isdir(root):  # noqa: PTH112 - Path's may raise
        return Permanent(
            _NOT_WRITTEN,
            f"The results cannot be written: {error.strerror}. Clear the way in the results "
            "folder and retry the job, which fetches the result and costs nothing.",
        )
    return Transient(
        _NOT_WRITTEN,
        f"The results cannot be written: {error.strerror}; the job waits until that is mended.",
    )


def _make_folders(folder: Path) -> None:
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        with suppress(FileExistsError):
            path.mkdir(mode=_FOLDER_MODE)
            # The umask has reduced the mode.
            path.chmod(_FOLDER_MODE)


def _write(folder: Path, kind: str, pieces: Iterable[bytes]) -> Path:
    path = folder / file_name(kind)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_PRIVATE_MODE if is_private(kind) else _FILE_MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
