"""A finished job's files: beneath the results root, whole or not there at all."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from producer.contract.job import Job
from producer.transcript.transcript import Transcript
from worker.errors import Permanent, StageError, Transient
from worker.runtime.work import Work
from worker.stages.result_paths import ResultPaths, discard, reserve, results_path

#: The code of an error that says that the disk does not accept a job's results.
_NOT_WRITTEN = "ResultsNotWritten"
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


def reserve_results(job: Job, root: Path, kinds: Iterable[str]) -> ResultPaths:
    """Reserve the names of a job's files, beside `json` and its formats those of `kinds`.

    Raises:
        Permanent: as `reserve` has it.
        Transient: if the disk does not accept them, and may once somebody has mended it.
    """
    with _disk_errors_classified(root):
        return reserve(job, root, dict.fromkeys(("json", *job.request.formats, *kinds)))


def write_results(paths: ResultPaths, transcript: Transcript, root: Path) -> dict[str, Path]:
    """Write the document and the formats asked for; returns format -> path.

    Raises:
        Transient, Permanent: if the disk does not accept them.
    """
    with _disk_errors_classified(root):
        return {
            kind: paths.write(kind, [transcript.render(kind).encode()])
            for kind in dict.fromkeys(("json", *paths.job.request.formats))
        }


def write_fetched(paths: ResultPaths, kind: str, pieces: Iterable[bytes], root: Path) -> Path:
    """Write what Transcribe wrote beside its document, piece by piece; returns its path.

    Errors are those of `write_results`, and what `pieces` raises.
    """
    with _disk_errors_classified(root):
        return paths.write(kind, pieces)


def describe_results(
    paths: ResultPaths, transcript: Transcript, files: Mapping[str, Path], root: Path
) -> Path:
    """Write the sidecar of files that are all there; returns its path.

    Errors are those of `write_results`.
    """
    job = paths.job
    options = job.request.model_dump(
        mode="json", exclude_defaults=True, exclude={"audio", "name", "metadata"}
    )
    more = {
        "fingerprint": job.fingerprint,
        "options": options,
        "times": {state: f"{at:%Y-%m-%dT%H:%M:%S.%fZ}" for state, at in job.times.items()},
        "attempt": job.attempt,
        "aws_job": None if job.reused_from else transcript.job_name,
        "reused_from": job.reused_from,
        "languages": list(transcript.languages),
        "seconds": max((word.end for word in transcript.words), default=0.0),
    }
    with _disk_errors_classified(root):
        return paths.describe(files, more)


def discard_results(job: Job, root: Path) -> None:
    """Delete what was written for a job that has been stopped, also what is not whole yet.

    Raises:
        Transient, Permanent: as for `write_results`.
    """
    with _disk_errors_classified(root):
        discard(job, root)


@contextmanager
def reported_if_unwritable(work: Work) -> Iterator[None]:
    """Let `transcribe doctor` say where the disk does not accept results."""
    try:
        yield
    except Transient as error:
        if error.code == _NOT_WRITTEN:
            work.worker.unwritable.add(
                results_path(work.job, work.worker.settings.results_dir).parent
            )
        raise


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
