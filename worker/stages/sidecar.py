"""The sidecar of a job's files, `<stem>.job.json`: whose they are, and which."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from producer.contract.formats import SIDECAR
from producer.contract.job import Job
from worker.regular_file import open_regular

#: More than any request can make of one.
_MAX_SIDECAR_BYTES = 1024 * 1024


def content_of(job: Job, names: Iterable[str], more: Mapping[str, object]) -> bytes:
    """A sidecar of a job that has written the files of these names; with further fields."""
    fields = {"id": job.id, "source": job.request.audio, **more, "files": sorted(names)}
    return json.dumps(fields, ensure_ascii=False, indent=2).encode() + b"\n"


def read(sidecar: Path) -> dict[str, Any]:
    """What a sidecar says; {} if it is not there, or none."""
    file = open_regular(sidecar)
    if file is None:
        return {}
    with file:
        try:
            known = json.loads(file.read(_MAX_SIDECAR_BYTES))
        except (ValueError, RecursionError):
            return {}
    return known if isinstance(known, dict) else {}


def listed_in(sidecar: Path, job: Job, part: str) -> frozenset[str] | None:
    """The files that a part of a sidecar lists; None if it is not there, or not of this job.

    Args:
        sidecar: where it would be.
        job: whose it would be.
        part: `files`, which the job has written; or `planned`, which a try may have written.
    """
    known = read(sidecar)
    if not isinstance(known.get(part), list):
        return None
    if (known.get("id"), known.get("source")) != (job.id, job.request.audio):
        return None
    stem = sidecar.name.removesuffix(f".{SIDECAR}")
    return frozenset(
        name
        for name in known[part]
        if isinstance(name, str) and name.startswith(f"{stem}.") and "/" not in name
    )
