"""Small results that the poll has read to see whether they are there, kept for collect.

Each call to S3 costs some 2 ms of CPU, a tenth of what a job costs: where the same process
collects what it has seen, one is enough.
"""

import threading
import time
from datetime import datetime

from producer.contract.job import Job

#: Of results up to this size, in bytes: those of a recording of some minutes.
MAX_BYTES = 64 * 1024
#: All that are kept together, in bytes, and each for so many seconds: another worker may have
#: collected it.
_KEPT_BYTES = 4 * 1024 * 1024
_KEPT_SECONDS = 30.0

#: A job's id, its attempt, and when that was submitted: each attempt has a result of its own, and
#: so has another job that comes under the same id once the record of the first is gone.
Attempt = tuple[str, int, datetime]


def present_attempt(job: Job) -> Attempt:
    """The attempt that a record is at."""
    return job.id, job.attempt, job.created_at


class ReadAhead:
    """The results that this process has read and not collected yet; safe between threads.

    It returns none that has become too old, and drops those when the next one comes.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._lock = threading.Lock()
        self._kept: dict[Attempt, tuple[float, bytes]] = {}
        self._bytes = 0

    def keep(self, of: Attempt, document: bytes) -> None:
        """Keep a result; what is old, or too much, goes."""
        with self._lock:
            self._drop(of)
            now = time.monotonic()
            self._kept[of] = (now, document)
            self._bytes += len(document)
            for each, (kept_at, _) in list(self._kept.items()):
                if self._bytes <= _KEPT_BYTES and now - kept_at < _KEPT_SECONDS:
                    break
                self._drop(each)

    def pop(self, of: Attempt) -> bytes | None:
        """Remove and return a result; None if it is not here, and also the second time."""
        with self._lock:
            kept_at, document = self._drop(of)
            return document if time.monotonic() - kept_at < _KEPT_SECONDS else None

    def _drop(self, of: Attempt) -> tuple[float, bytes | None]:
        kept_at, document = self._kept.pop(of, (0.0, None))
        self._bytes -= len(document or b"")
        return kept_at, document
