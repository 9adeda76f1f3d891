"""The account's quotas: jobs at once, and calls a second of each operation."""

import threading
import time
from dataclasses import dataclass, fields, replace
from typing import Any

from localaws.errors import UsageError

_OPERATION = {
    "StartTranscriptionJob": "start",
    "GetTranscriptionJob": "get",
    "ListTranscriptionJobs": "list",
    "DeleteTranscriptionJob": "delete",
}


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of an account; None is no limit.

    The defaults are those a new AWS account has (Amazon Transcribe endpoints and quotas, AWS
    General Reference): 250 jobs at once; 25, 30, 5 and 5 calls a second.
    """

    jobs: int | None = 250
    start: float | None = 25
    get: float | None = 30
    list: float | None = 5
    delete: float | None = 5

    @classmethod
    def parse(cls, text: str) -> "Quotas":
        """Read `jobs=250,start=25`: others keep their defaults, `off` lifts a limit.

        Raises UsageError.
        """
        quotas = cls()
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, value = part.partition("=")
            if name not in {field.name for field in fields(cls)}:
                raise UsageError(
                    f"The quota {name!r} is unknown: use jobs, start, get, list or delete."
                )
            quotas = replace(quotas, **{name: _limit(name, value)})
        return quotas

    def listed(self) -> dict[str, Any]:
        """The answer to ListServiceQuotas; it leaves out quotas without a limit."""
        names = {
            "jobs": "Number of concurrent batch transcription jobs",
            **{
                name: f"Transactions per second, {operation} operation"
                for operation, name in _OPERATION.items()
            },
        }
        return {
            "Quotas": [
                {"ServiceCode": "transcribe", "QuotaName": text, "Value": float(value)}
                for name, text in names.items()
                if (value := getattr(self, name)) is not None
            ]
        }


def _limit(name: str, value: str) -> Any:
    if value == "off":
        return None
    try:
        limit = int(value) if name == "jobs" else float(value)
    except ValueError:
        limit = 0
    if not 0 < limit < float("inf"):
        raise UsageError(f"The quota {name}={value!r} is not a positive number or `off`.")
    return limit


class TokenBucket:
    """`rate` tokens a second, at most those of one second. Safe between threads."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        # A rate below one a second must still allow one call now and then.
        self._burst = max(rate, 1.0)
        self._tokens = self._burst
        self._filled = time.monotonic()
        self._lock = threading.Lock()

    def acquire(self) -> bool:
        """Use up a token; False if there is none."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class RateLimiter:
    """A token bucket for each operation with a quota."""

    def __init__(self, quotas: Quotas) -> None:
        self.quotas = quotas
        self._buckets = {
            operation: TokenBucket(rate)
            for operation, name in _OPERATION.items()
            if (rate := getattr(quotas, name)) is not None
        }

    def acquire(self, operation: str) -> bool:
        """Use up a token of this operation; False if there is none. No quota: always True."""
        bucket = self._buckets.get(operation)
        return bucket is None or bucket.acquire()
