"""The leases of this process, extended while it works on their entries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from producer.backend.schedule import Lease, Schedule, clock

#: Set when the worker was told to stop: long stages hand their job back at once.
WARM_SHUTDOWN = threading.Event()


class LeaseLost(Exception):
    """Somebody else has the job now, or it was stopped: do nothing further with it."""


class ShuttingDown(Exception):
    """The worker is stopping: give the job to another."""


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
            HandBack: if the worker is stopping.
        """
        if self.lost.is_set():
            raise LeaseLost
        if WARM_SHUTDOWN.is_set():
            raise ShuttingDown

    def fence(self) -> None:
        """Be certain that nobody else has the job; to be called before what cannot be done twice.

        A process that was paused may wake up here long after another has finished its work.

        Raises:
            LeaseLost: if the lease may have lapsed, though perhaps nobody has noticed yet.
            HandBack: if the worker is stopping.
        """
        self.check()
        if clock() >= self.expires_at:
            raise LeaseLost


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
        """Release all leases, so that other workers continue at once; returns how many.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._lock:
            guards = list(self._guards)
        for guard in guards:
            guard.lost.set()
            self._schedule.release(guard.lease, 0)
        return len(guards)

    def extend(self) -> None:
        """Extend all leases, and mark those that are lost.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._lock:
            guards = list(self._guards)
        expires_at = clock() + self._schedule.lease
        extended = self._schedule.extend([guard.lease for guard in guards])
        for guard, is_ours in zip(guards, extended, strict=True):
            if is_ours:
                guard.expires_at = expires_at
            else:
                guard.lost.set()
