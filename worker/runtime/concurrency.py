"""Concurrency limits: few large works at a time, so that threads and memory are left for all else.

Work beyond a limit snoozes, and its thread is free. Once the limit is free, whichever work tries
first has it. A tenant with thousands that wait would be first nearly always. So the works of each
tenant together try as often as those of another: the more of them wait, the longer each snoozes.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from worker.errors import LimitReached

#: Seconds between two tries, of all that wait for a limit of this process.
_TRY_EVERY = 0.1


class NextTries:
    """When that which waits for a limit tries again: one at a time, of each tenant as often."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: tenant and priority -> when the last of them tries again
        self._last: dict[tuple[str, int], float] = {}

    def add(self, tenant: str, priority: int, weight: float, now: float) -> float:
        """Seconds until one more tries again, after those of its tenant and priority.

        Of a tenant those of each priority try as often, so an urgent one is behind none but such.
        """
        who = (tenant, priority)
        with self._lock:
            waiting = {each: last for each, last in self._last.items() if last > now}
            waiting.setdefault(who, now)
            tenants = {each for each, _ in waiting}
            of_this_tenant = [each for each, _ in waiting if each == who[0]]
            every = _TRY_EVERY * len(tenants) * len(of_this_tenant) / weight
            waiting[who] += every * random.uniform(0.5, 1.5)  # noqa: S311
            self._last = waiting
            return waiting[who] - now


class ConcurrencyLimit:
    """How many large works of one stage a process does at once."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._tries = NextTries()

    @contextmanager
    def acquired(self, tenant: str, priority: int, weight: float = 1.0) -> Iterator[None]:
        """Count one more for the time of a `with`.

        Raises:
            LimitReached: if as many count as may at once.
        """
        if not self._free.acquire(blocking=False):
            raise LimitReached(self._tries.add(tenant, priority, weight, time.monotonic()))
        try:
            yield
        finally:
            self._free.release()
