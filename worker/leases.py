"""The holds that this process has, kept alive while it is at work on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from producer.backend.schedule import Hold, Schedule, clock

#: Set when the worker was told to stop: long stages hand their job back at once.
STOPPING = threading.Event()


class LeaseLost(Exception):
    """Somebody else has the job now, or it was stopped: do nothing further with it."""


class HandBack(Exception):
    """The worker is stopping: give the job to another."""


class Lease:
    """A hold and whether it still holds."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.lost = threading.Event()
        #: how long it holds at least, by the schedule's clock
        self.until = hold.until

    def check(self, *_: object) -> None:
        """Stop a long stage that should not go on.

        Raises:
            LeaseLost: if the hold was lost.
            HandBack: if the worker is stopping.
        """
        if self.lost.is_set():
            raise LeaseLost
        if STOPPING.is_set():
            raise HandBack

    def fence(self) -> None:
        """Be certain that nobody else has the job; to be called before what cannot be done twice.

        A process that was paused may wake up here long after another has finished its work.

        Raises:
            LeaseLost: if the lease may have lapsed, though perhaps nobody has noticed yet.
            HandBack: if the worker is stopping.
        """
        self.check()
        if clock() >= self.until:
            raise LeaseLost


class Leases:
    """All leases of this process; the dispatcher's thread renews them."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._lock = threading.Lock()
        self._leases: set[Lease] = set()

    def __len__(self) -> int:
        return len(self._leases)

    @contextmanager
    def keep(self, hold: Hold) -> Iterator[Lease]:
        """Keep a hold alive for the time of a `with`."""
        lease = Lease(hold)
        with self._lock:
            self._leases.add(lease)
        try:
            yield lease
        finally:
            with self._lock:
                self._leases.discard(lease)

    def hand_back(self) -> int:
        """Give all holds back, to be taken up at once by others; returns how many.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._lock:
            leases = list(self._leases)
        for lease in leases:
            lease.lost.set()
            self._schedule.put_off(lease.hold, 0)
        return len(leases)

    def renew(self) -> None:
        """Renew all leases, and mark those that are lost.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._lock:
            leases = list(self._leases)
        until = clock() + self._schedule.lease
        kept = self._schedule.renew([lease.hold for lease in leases])
        for lease, holds in zip(leases, kept, strict=True):
            if holds:
                lease.until = until
            else:
                lease.lost.set()
