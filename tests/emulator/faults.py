"""Fault injection: the emulator fails calls and jobs on request."""

import random
import re
import threading
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from localaws.errors import UsageError

#: The faults of calls, each with what it does.
CALL_KINDS = {
    "throttle": "refuses: too many calls a second",
    "limit": "refuses: LimitExceededException (S3 has none: SlowDown)",
    "error500": "refuses: the service's own fault",
    "error500_after": "does the work, and answers 500 all the same",
    "timeout": "waits `seconds`, does nothing, and drops the connection",
    "timeout_after": "does the work, waits `seconds`, and drops the connection",
    "expired_token": "refuses: the credentials have expired",
    "access_denied": "refuses: the credentials do not allow it",
    "lost_bucket": "refuses: the bucket is gone",
}
#: The faults of jobs: they happen when the job ends.
JOB_KINDS = {
    "fail": "the job ends FAILED with `reason`",
    "no_result": "the job ends COMPLETED, but its document is not there",
    "truncated_result": "the job ends COMPLETED with the first half of its document",
    "not_json": "the job ends COMPLETED with HTML in place of its document",
    "delete_job": "the job is deleted as it ends; its document stays",
    "stuck": "the job is IN_PROGRESS until the faults are cleared, and then ends",
}
KINDS = CALL_KINDS | JOB_KINDS
#: After `seconds`, if set, the true document appears.
RESULT_KINDS = ("no_result", "truncated_result", "not_json")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    operation: of Transcribe or S3, with `*` and `?` as in file names. Default: all.
    times:     how often it happens; None is always.
    match:     regular expression, found anywhere in the job's name or the object's key.
    rate:      the share of calls that it fails, 0 to 1.
    seconds:   how long a timeout lasts at most, for it ends as the faults are cleared; or until the
               true result appears, 0 is never.
    reason:    the FailureReason of `fail`.
    """

    kind: str
    operation: str = "*"
    times: int | None = None
    match: str | None = None
    rate: float = 1.0
    seconds: float = 0.0
    reason: str = "Internal error: a fault of localaws fails this job."

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"The fault {self.kind!r} is unknown: use one of {', '.join(sorted(KINDS))}."
            )
        if not isinstance(self.operation, str) or not isinstance(self.reason, str):
            raise UsageError("A fault's operation and reason must be strings.")
        if not 0 <= self.rate <= 1:
            raise UsageError(f"A fault's rate must be between 0 and 1, not {self.rate}.")
        if self.seconds < 0 or (self.times is not None and self.times < 1):
            raise UsageError("A fault's seconds and times must be positive.")
        try:
            re.compile(self.match or "")
        except re.error as error:
            raise UsageError(f"{self.match!r} is not a regular expression: {error}.") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Fault":
        """A fault from decoded JSON. Raises UsageError."""
        try:
            return cls(**values)
        except TypeError as error:
            raise UsageError(
                f"A fault has a `kind` and the fields that --help lists: {error}."
            ) from error

    def fits(self, operation: str, name: str) -> bool:
        """Whether the fault applies to this operation on this job or key."""
        return fnmatchcase(operation, self.operation) and (
            self.match is None or re.search(self.match, name) is not None
        )


class FaultInjector:
    """The faults that are set, and how often each still happens. Safe between threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._remaining: list[tuple[Fault, int | None]] = []
        #: Set when others replace the faults of now, or none.
        self.cleared = threading.Event()
        self.add(faults)

    def add(self, faults: Iterable[Fault]) -> None:
        with self._lock:
            self._remaining.extend((fault, fault.times) for fault in faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Have these faults instead of all others, and end those that last."""
        with self._lock:
            self._remaining = [(fault, fault.times) for fault in faults]
            self.cleared.set()
            self.cleared = threading.Event()

    def remaining(self) -> list[dict[str, Any]]:
        """The faults that still happen; `times` is how often."""
        with self._lock:
            return [{**asdict(fault), "times": times} for fault, times in self._remaining]

    def for_call(self, operation: str, name: str) -> Fault | None:
        """The next fault of this call, if any; counts it."""
        return self._next(CALL_KINDS, operation, name)

    def for_job(self, job_name: str, *kinds: str) -> Fault | None:
        """The next fault of these kinds as this job ends, if any; counts it."""
        return self._next(kinds, "StartTranscriptionJob", job_name)

    def _next(self, kinds: Container[str], operation: str, name: str) -> Fault | None:
        with self._lock:
            for index, (fault, times) in enumerate(self._remaining):
                if fault.kind not in kinds or not fault.fits(operation, name):
                    continue
                if fault.rate < 1 and random.random() >= fault.rate:  # noqa: S311 - no secret
                    continue
                if times == 1:
                    del self._remaining[index]
                elif times is not None:
                    self._remaining[index] = (fault, times - 1)
                return fault
        return None
