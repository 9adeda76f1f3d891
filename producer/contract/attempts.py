"""The names of a job's attempts.

The first attempt has the job's own name, at Transcribe and in the bucket. Each further one appends
`--try-` and its number, a suffix that people do not choose: `talk`, `talk--try-2`, `talk--try-3`.
"""

import re

#: The maximum length of a job's name at Amazon Transcribe, in characters.
_MAX_AWS_NAME = 200
_SUFFIX = "--try-"
#: The maximum length of a job's own name: the suffix and four digits fit behind it.
MAX_NAME = _MAX_AWS_NAME - len(_SUFFIX) - 4
_FURTHER = re.compile(rf"(.+){_SUFFIX}([2-9]|[1-9][0-9]+)", re.DOTALL)


def attempt_name(name: str, attempt: int) -> str:
    """The name of an attempt, counted from 1, of the job or key `name`."""
    return name if attempt == 1 else f"{name}{_SUFFIX}{attempt}"


def split_attempt(name: str) -> tuple[str, int]:
    """The reverse: the name without a suffix, and the number of the attempt."""
    match = _FURTHER.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 1)


def attempt_of(name: str, job_id: str) -> int | None:
    """The number of the attempt with this name; None if it is not an attempt of this job."""
    tried, attempt = split_attempt(name)
    return attempt if tried == job_id else None


def is_further_attempt(name: str) -> bool:
    """Whether a name is that of a further attempt, which no job or key may have."""
    return split_attempt(name)[1] > 1
