"""Seats for large work, so few that a process always has threads and memory for all else.

Who finds none gives the job back, to stand in a line of the whole fleet, and the thread is free.
Who is done takes the next of that line instead of getting up. Tenants take turns there, as
elsewhere, so a seat that is found free while others stand in line is given to whose turn it is.
"""

from __future__ import annotations

import threading

from producer.contract.job import Stage
from worker.errors import LimitReached

#: Large results that are read at once. Python reads one at a time anyhow, and each takes some
#: fifteen times its size of memory.
_COLLECTS = 1


class ConcurrencyLimits:
    """The seats of a process."""

    def __init__(self, concurrency: int) -> None:
        """Give large uploads a quarter of `concurrency` stages at once, but at least one."""
        self._free = {
            Stage.UPLOAD: threading.BoundedSemaphore(max(1, concurrency // 4)),
            Stage.COLLECT: threading.BoundedSemaphore(_COLLECTS),
        }

    def limited(self, stage: Stage) -> LimitedWork:
        """A seat that is to be taken only if the work turns out to be large."""
        return LimitedWork(self._free.get(stage))


class LimitedWork:
    """One seat, for one thread."""

    def __init__(self, free: threading.BoundedSemaphore | None) -> None:
        self._free = free
        self.taken = False

    def take(self) -> None:
        """Sit down, if that was not done yet.

        Raises:
            NoSeat: if all are taken.
        """
        if self._free is None or self.taken:
            return
        if not self._free.acquire(blocking=False):
            raise LimitReached(
                "NoSeat", "This worker is at work on enough that is large; it waits."
            )
        self.taken = True

    def leave(self) -> None:
        """Get up, if that was sat on."""
        if self._free is not None and self.taken:
            self.taken = False
            self._free.release()
