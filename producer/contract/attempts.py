"""How a further attempt of a job is named: the one spelling, for all who write or read it.

The first attempt has the job's own name, at Transcribe and in the bucket. Each further one appends
`--try-` and its number, which no sane name ends in: `talk`, `talk--try-2`, `talk--try-3`.
"""

from __future__ import annotations

import re

#: What Amazon Transcribe allows for the name of a job, in characters.
_MAX_AWS_NAME = 200
_SUFFIX = "--try-"
#: Characters that a job's own name may have, so that four digits fit behind the suffix.
MAX_NAME = _MAX_AWS_NAME - len(_SUFFIX) - 4
_FURTHER = re.compile(rf"(.+){_SUFFIX}([2-9]|[1-9][0-9]+)", re.DOTALL)


def attempt_name(name: str, attempt: int) -> str:
    """The name of an attempt, which counts from 1, of what is called `name`."""
    return name if attempt == 1 else f"{name}{_SUFFIX}{attempt}"


def split_attempt(name: str) -> tuple[str, int]:
    """The reverse: what is tried, and which attempt of it the name is."""
    match = _FURTHER.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 1)


def attempt_of(name: str, job_id: str) -> int | None:
    """Which attempt of a job has that name; None if it is not of that job."""
    tried, attempt = split_attempt(name)
    return attempt if tried == job_id else None


def is_further_attempt(name: str) -> bool:
    """Whether a name belongs to a further attempt, so that nothing of its own may have it."""
    return split_attempt(name)[1] > 1
