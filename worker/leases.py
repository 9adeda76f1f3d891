"""The leases of this process, extended while it works on their entries."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from producer.backend.schedule import Lease, Schedule, clock

#: Set when the worker shuts down: it begins nothing new, and long stages hand their job back.
WARM_SHUTDOWN = threading.Event()
#: So often, in seconds, work that sleeps checks whether to stop.
_CHECK_EVERY = 0.2


class LeaseLost(Exception):
    """Somebody else has the job now, or it was stopped: do nothing further with it."""


class ShuttingDown(Exception):
    """The worker is shutting down: hand the job back, for another worker."""


class LeaseGuard:
    """A lease, and whether it is still ours."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = threading.Event()
        #: until when it is ours at least, by the schedule's clock
        self.expires_at = lease.expires_at

    def check(self, *_: object) -> None:
        """Stop a long stage that should not go on.

        Raises:
            LeaseLost: if the lease was lost.
            ShuttingDown: if the worker is shutting down.
        """
        if self.lost.is_set():
            raise LeaseLost
        if WARM_SHUTDOWN.is_set():
            raise ShuttingDown

    def fence(self) -> None:
        """Make certain that nobody else has the job; call it before what cannot be done twice.

        A process that was paused may wake up here long after another has finished its work.

        Raises:
            LeaseLost: if the lease may have expired, even if no other worker has acquired it yet.
            ShuttingDown: if the worker is shutting down.
        """
        self.check()
        if clock() >= self.expires_at:
            raise LeaseLost

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than the work may go on.

        Raises:
            LeaseLost, ShuttingDown: if the work has to stop.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            self.lost.wait(min(left, _CHECK_EVERY))


class Leases:
    """All leases of this process; the dispatcher's thread extends them."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._lock = threading.Lock()
        self._guards: set[LeaseGuard] = set()

    def __len__(self) -> int:
        return len(self._guards)

    @contextmanager
    def keep(self, lease: Lease) -> Iterator[LeaseGuard]:
        """Extend a lease for the time of a `with`."""
        guard = LeaseGuard(lease)
        with self._lock:
            self._guards.add(guard)
        try:
            yield guard
        finally:
            with self._lock:
                self._guards.discard(guard)

    def release_all(self) -> int:
        """Release all leases, so that other workers continue at once; returns how many."""
        with self._lock:
            guards = list(self._guards)
        for guard in guards:
            guard.lost.set()
            self._schedule.release(guard.lease, 0)
        return len(guards)

    def extend(self) -> None:
        """Extend all leases, and mark those that are lost."""
        with self._lock:
            guards = list(self._guards)
        expires_at = clock() + self._schedule.lease
        extended = self._schedule.extend([guard.lease for guard in guards])
        for guard, is_ours in zip(guards, extended, strict=True):
            if is_ours:
                guard.expires_at = expires_at
            else:
                guard.lost.set()
