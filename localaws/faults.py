"""Misbehaviour on request: what no real account gives when a test needs it."""

import random
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from localaws.errors import UsageError

#: throttle       refused: too many calls a second
#: limit          refused: LimitExceededException (S3 has none: SlowDown)
#: error500       refused: the service's own fault
#: error500_after the work is done and the answer is a 500 all the same
#: timeout        waits `seconds`, does nothing, and drops the connection
#: timeout_after  does the work, waits `seconds`, and drops the connection
#: expired_token, access_denied   refused: credentials
#: fail           no call is refused; the job ends FAILED with `reason`
KINDS = frozenset(
    {
        "throttle",
        "limit",
        "error500",
        "error500_after",
        "timeout",
        "timeout_after",
        "expired_token",
        "access_denied",
        "fail",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave.

    operation: of Transcribe or S3, `*` and `?` as in file names. Default: all.
    times:     how often it strikes; None is always.
    match:     regular expression, found anywhere in the job's name or the object's key.
    rate:      the share of calls it strikes, 0 to 1.
    seconds:   how long a timeout lasts.
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

    def strike(self, operation: str, name: str) -> Fault | None:
        """The fault that this call meets, if any; it is then spent once."""
        return self._strike(operation, name, failures=False)

    def failure(self, job_name: str) -> str | None:
        """The reason why this job shall end FAILED, if it shall."""
        fault = self._strike("StartTranscriptionJob", job_name, failures=True)
        return fault.reason if fault else None

    def _strike(self, operation: str, name: str, *, failures: bool) -> Fault | None:
        with self._lock:
            for index, (fault, left) in enumerate(self._left):
                if (fault.kind == "fail") is not failures or not fault.fits(operation, name):
                    continue
                if fault.rate < 1 and random.random() >= fault.rate:  # noqa: S311 - no secret
                    continue
                if left == 1:
                    del self._left[index]
                elif left is not None:
                    self._left[index] = (fault, left - 1)
                return fault
        return None
