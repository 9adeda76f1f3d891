"""The paths of a job's files: reserved by its sidecar, so that no job ever replaces another's.

Beside the files lies `<stem>.job.json`, which says whose they are and lists them. What it lists its
job may replace, as when a worker repeats what broke off; nothing else is ever replaced.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from producer.contract.formats import SIDECAR, TEMPORARY, file_name, is_private
from producer.contract.job import Job
from producer.contract.output import MAX_ENDING_BYTES, folded, path_of, values_of
from worker.errors import Permanent, Transient
from worker.runtime.unwritable import nearest_existing
from worker.stages.sidecar import content_of, listed_in, read
from worker.stages.whole_file import Temporary, is_equal, link

log = structlog.get_logger()

_FILE_MODE = 0o640
_PRIVATE_MODE = 0o600
_FOLDER_MODE = 0o750
#: Bytes of what tells a job's files from others of their name.
_SUFFIX_BYTES = 7
_SPARE = _SUFFIX_BYTES + MAX_ENDING_BYTES


@dataclass(frozen=True)
class ResultPaths:
    """The files of one job, which nothing else has."""

    folder: Path
    stem: str
    job: Job
    #: names that the job may replace, because it has written them for certain
    listed: frozenset[str]
    #: tells one try from others, in the sidecar until all is there
    number: str = field(default_factory=lambda: secrets.token_hex(8))
    #: names of what was written by now
    written: set[str] = field(default_factory=set)

    def path(self, kind: str) -> Path:
        """Where the file of a kind is."""
        return self.folder / file_name(self.stem, kind)

    def write(self, kind: str, pieces: Iterable[bytes]) -> Path:
        """Write a file under a temporary name, then give it its own: a reader finds it whole.

        Raises:
            OSError: if the disk does not accept it, and whatever `pieces` raises.
            Transient: if something else has just got its name.
        """
        path = self.path(kind)
        with Temporary(self.folder, self.job.id, pieces) as temporary:
            temporary.chmod(_PRIVATE_MODE if is_private(kind) else _FILE_MODE)
            if path.name in self.listed:
                # Of a job that was stopped the files are deleted; another may have their names.
                if not self._is_reserved():
                    raise self._lost()
                temporary.replace(path)
            elif not link(temporary, path) and not is_equal(temporary, path):
                # Then the next try chooses another, unless it is another try that wrote this file.
                if self._is_reserved():
                    self._write_sidecar(self.listed | self.written, {"try": self.number})
                raise Transient("ResultsNotWritten", f"Something is at {path.name} since just now.")
        self.written.add(path.name)
        return path

    def announce(self, names: Iterable[str], *, only_new: bool = False) -> bool:
        """List what this try is going to write, apart from what the job has written for certain.

        Returns whether it did; with `only_new` not if a sidecar is there.
        """
        more = {"try": self.number, "planned": sorted({*names} - self.listed)}
        return self._write_sidecar(self.listed, more, only_new=only_new)

    def describe(self, files: Mapping[str, Path], more: Mapping[str, object]) -> Path:
        """Write the sidecar whole, once everything is there; returns its path.

        Raises:
            OSError: if the disk does not accept it.
            Transient: if the names are not reserved by this try any more.
        """
        names = {path.name for path in files.values()}
        # Without a sidecar the job was stopped, and its files are deleted by what this one lists.
        if not self._write_sidecar(names, more, only_new=not self._is_reserved()):
            raise self._lost()
        return self.path(SIDECAR)

    def _is_reserved(self) -> bool:
        return read(self.path(SIDECAR)).get("try") == self.number

    def _lost(self) -> Transient:
        name = self.path(SIDECAR).name
        return Transient("ResultsNotWritten", f"{name} is another try's since just now.")

    def _write_sidecar(
        self, names: Iterable[str], more: Mapping[str, object], *, only_new: bool = False
    ) -> bool:
        content = content_of(self.job, names, more)
        with Temporary(self.folder, self.job.id, [content]) as temporary:
            temporary.chmod(_FILE_MODE)
            if only_new:
                return link(temporary, self.path(SIDECAR))
            temporary.replace(self.path(SIDECAR))
        return True


def results_path(job: Job, root: Path) -> Path:
    """The path of a job's files without their ending, if nothing else is there.

    Raises:
        Permanent: if its `output` is outside the results root, symlinks resolved; or if the path is
            too long for this machine.
    """
    root = Path(os.path.realpath(root))
    request = job.request
    values = values_of(request.audio, job.id, request.tenant, job.created_at)
    path = path_of(request.output, values)
    folder = Path(os.path.realpath(root / path.parent))
    if not folder.is_relative_to(root):
        raise Permanent(
            "OutsideResultsRoot",
            "The output is not beneath the worker's results root (TRANSCRIBE_RESULTS_DIR).",
        )
    if _is_too_long(folder, root, path.name):
        raise Permanent(
            "PathTooLong",
            "The path of the job's results is too long for the worker's file system. Submit it "
            "with a shorter name or output.",
        )
    return folder / path.name


def reserve(job: Job, root: Path, kinds: Iterable[str]) -> ResultPaths:
    """Reserve names for a job's files, once and for all its tries.

    Args:
        job: whose they are.
        root: the results root.
        kinds: of the files that it will have.

    Raises:
        Permanent: as `results_path` has it; or if all names that it may have are taken.
        OSError: if the disk does not accept the sidecar.
    """
    wanted = results_path(job, root)
    _make_folders(wanted.parent)
    _discard_temporary(wanted.parent, job)
    there = {folded(entry.name) for entry in os.scandir(wanted.parent)}
    kinds = list(kinds)
    for stem in _stems(wanted.name, job):
        reserved = _reserve(wanted.parent, stem, job, kinds, there)
        if reserved is not None:
            if stem != wanted.name:
                log.info("results.renamed", path=reserved.path("json"), wanted=wanted.name)
            return reserved
    raise Permanent(
        "ResultsNotWritten",
        f"All names for the job's files are taken, such as {wanted.name}.txt. Clear the way in the "
        "results folder and retry the job, which fetches the result and costs nothing.",
    )


def discard(job: Job, root: Path) -> None:
    """Delete what was written for a job that has been stopped, also what is not whole yet.

    Raises:
        Permanent: as `results_path` has it.
        OSError: if the disk does not let go of it.
    """
    wanted = results_path(job, root)
    for stem in _stems(wanted.name, job):
        _discard(wanted.parent / file_name(stem, SIDECAR), job)
    _discard_temporary(wanted.parent, job)
    with suppress(OSError):  # it is not there, or there is something else in it
        if wanted.parent != Path(os.path.realpath(root)):
            wanted.parent.rmdir()


def _stems(stem: str, job: Job) -> Iterator[str]:
    """The stems that a job's files may have, the same in every run."""
    yield stem
    for text in (job.request.audio, f"{job.id} {job.request.audio}"):
        yield f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[: _SUFFIX_BYTES - 1]}"


def _reserve(
    folder: Path, stem: str, job: Job, kinds: Iterable[str], there: set[str]
) -> ResultPaths | None:
    """Reserve the names of a stem; None if somebody else has one of them, by what is `there`."""
    names = {file_name(stem, kind) for kind in kinds}
    sidecar = folder / file_name(stem, SIDECAR)
    listed = listed_in(sidecar, job, "files")
    if listed is None:
        if {folded(name) for name in (*names, sidecar.name)} & there:
            return None
        paths = ResultPaths(folder, stem, job, frozenset())
        if paths.announce(names, only_new=True):
            return paths
        # Another worker may have been faster, with this job or with another.
        listed = listed_in(sidecar, job, "files")
        if listed is None:
            return None
    # What a try before this one has planned it may have written.
    planned = listed_in(sidecar, job, "planned") or frozenset()
    if {folded(name) for name in names - listed - planned} & there:
        _discard(sidecar, job)
        return None
    paths = ResultPaths(folder, stem, job, listed)
    paths.announce(names)
    return paths


def _discard(sidecar: Path, job: Job) -> None:
    """Delete what a sidecar of this job lists, and the sidecar."""
    for part in ("files", "planned"):
        for name in listed_in(sidecar, job, part) or ():
            (sidecar.parent / name).unlink(missing_ok=True)
    if listed_in(sidecar, job, "files") is not None:
        sidecar.unlink(missing_ok=True)


def _discard_temporary(folder: Path, job: Job) -> None:
    """Delete what a worker that was killed as it wrote has left of this job."""
    own = re.compile(rf"\.{re.escape(job.id)}\.[a-z0-9_]{{8}}{re.escape(TEMPORARY)}")
    with suppress(OSError):
        for entry in os.scandir(folder):
            if own.fullmatch(entry.name):
                Path(entry.path).unlink(missing_ok=True)


def _make_folders(folder: Path) -> None:
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        with suppress(FileExistsError):
            path.mkdir(mode=_FOLDER_MODE)
            # The umask has reduced the mode.
            path.chmod(_FOLDER_MODE)


def _is_too_long(folder: Path, root: Path, stem: str) -> bool:
    nearest = nearest_existing(folder)
    try:
        max_name = os.pathconf(nearest, "PC_NAME_MAX")
        max_path = os.pathconf(nearest, "PC_PATH_MAX")
    except OSError:  # writing will show it
        return False
    longest = max((len(os.fsencode(part)) for part in folder.relative_to(root).parts), default=0)
    file = len(os.fsencode(stem)) + _SPARE
    return max(longest, file) > max_name or len(os.fsencode(folder)) + 1 + file >= max_path
