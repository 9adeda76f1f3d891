"""Misbehaviour on request: what no real account gives when a test needs it."""

import random
import re
import threading
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from localaws.errors import UsageError

#: Each kind of fault that a call can meet, with what it does.
CALL_KINDS = {
    "throttle": "refused: too many calls a second",
    "limit": "refused: LimitExceededException (S3 has none: SlowDown)",
    "error500": "refused: the service's own fault",
    "error500_after": "the work is done, and the answer is a 500 all the same",
    "timeout": "waits `seconds`, does nothing, and drops the connection",
    "timeout_after": "does the work, waits `seconds`, and drops the connection",
    "expired_token": "refused: the credentials have expired",
    "access_denied": "refused: the credentials do not allow it",
    "lost_bucket": "refused: the bucket is gone",
}
#: Those that no call meets, but a job, when it ends.
JOB_KINDS = {
    "fail": "the job ends FAILED with `reason`",
    "no_result": "the job ends COMPLETED, but its document is not there",
    "truncated_result": "the same, with the first half of its document",
    "not_json": "the same, with a page of HTML in place of its document",
    "delete_job": "somebody deletes the job as it ends; its document stays",
}
KINDS = CALL_KINDS | JOB_KINDS
#: Of these the true document turns up after `seconds`, if there are any.
RESULT_KINDS = ("no_result", "truncated_result", "not_json")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave.

    operation: of Transcribe or S3, `*` and `?` as in file names. Default: all.
    times:     how often it strikes; None is always.
    match:     regular expression, found anywhere in the job's name or the object's key.
    rate:      the share of calls it strikes, 0 to 1.
    seconds:   how long a timeout lasts, or until a broken result is mended; 0 is never.
    reason:    the FailureReason of `fail`.
    """

    kind: str
    operation: str = "*"
    times: int | None = None
    match: str | None = None
    rate: float = 1.0
    seconds: float = 0.0
    reason: str = "Internal error: localaws was told to fail this job."

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f"The fault {self.kind!r} is unknown: use one of {', '.join(sorted(KINDS))}."
            )
        if not isinstance(self.operation, str) or not isinstance(self.reason, str):
            raise UsageError("A fault's operation and reason are text.")
        if not 0 <= self.rate <= 1:
            raise UsageError(f"A fault's rate is between 0 and 1, not {self.rate}.")
        if self.seconds < 0 or (self.times is not None and self.times < 1):
            raise UsageError("A fault's seconds and times must be positive.")
        try:
            re.compile(self.match or "")
        except re.error as error:
            raise UsageError(f"{self.match!r} is not a regular expression: {error}.") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Fault":
        """A fault from decoded JSON. Raises UsageError."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown or "kind" not in values:
            raise UsageError(
                f"A fault needs `kind` and knows no field {', '.join(sorted(unknown)) or 'else'}."
            )
        try:
            return cls(**values)
        except TypeError as error:
            raise UsageError(f"A fault's field has the wrong type: {error}.") from error

    def fits(self, operation: str, name: str) -> bool:
        """Whether it concerns this operation on this job or key."""
        return fnmatchcase(operation, self.operation) and (
            self.match is None or re.search(self.match, name) is not None
        )


class FaultBook:
    """The faults that are set, and how often each may still strike. Safe between threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int | None]] = []
        self.add(faults)

    def add(self, faults: Iterable[Fault]) -> None:
        with self._lock:
            self._left.extend((fault, fault.times) for fault in faults)

    def clear(self) -> None:
        with self._lock:
            self._left.clear()

    def left(self) -> list[dict[str, Any]]:
        """The faults that may still strike; `times` is how often."""
        with self._lock:
            return [{**asdict(fault), "times": left} for fault, left in self._left]

    def strike(self, operation: str, name: str) -> Fault | None:
        """The fault that this call meets, if any; it is then spent once."""
        return self._strike(CALL_KINDS, operation, name)

    def fate(self, job_name: str, *kinds: str) -> Fault | None:
        """The fault of these kinds that this job meets as it ends, if any; then spent once."""
        return self._strike(kinds, "StartTranscriptionJob", job_name)

    def _strike(self, kinds: Container[str], operation: str, name: str) -> Fault | None:
        with self._lock:
            for index, (fault, left) in enumerate(self._left):
                if fault.kind not in kinds or not fault.fits(operation, name):
                    continue
                if fault.rate < 1 and random.random() >= fault.rate:  # noqa: S311 - no secret
                    continue
                if left == 1:
                    del self._left[index]
                elif left is not None:
                    self._left[index] = (fault, left - 1)
                return fault
        return None
