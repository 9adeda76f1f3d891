"""Concurrency limits: few large works at a time, so that threads and memory are left for all else.

Work beyond the limit returns its job to a fair queue of the whole fleet, and its thread is free.
When large work ends, its thread runs the next job of that queue. Tenants have their turns there,
as elsewhere, so a job that others wait before does not pass them where the limit is free.
"""

import threading
from typing import Self

from producer.contract.stages import Stage
from worker.errors import LimitReached


class ConcurrencyLimits:
    """The limits of a process, one a stage."""

    def __init__(self) -> None:
        self._free: dict[Stage, threading.BoundedSemaphore] = {}

    def limited(self, stage: Stage, most: int) -> "LimitedWork":
        """Work that may turn out to be large, of which a process does `most` at once."""
        return LimitedWork(self._free.setdefault(stage, threading.BoundedSemaphore(most)))


class LimitedWork:
    """The work of one thread; a `with` of it ends what it has acquired."""

    def __init__(self, free: threading.BoundedSemaphore) -> None:
        self._free = free
        #: whether the work counts as large
        self.acquired = False

    def acquire(self) -> None:
        """Count as large from now on.

        Raises:
            LimitReached: if as many do as may at once.
        """
        if not self.acquired and not self._free.acquire(blocking=False):
            raise LimitReached("LimitReached", "This worker is at work on enough large jobs.")
        self.acquired = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.acquired:
            self.acquired = False
            self._free.release()
