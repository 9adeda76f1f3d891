"""Slots and call rates of the account, shared by the whole fleet through Redis."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Literal

from producer.broker import Broker
from producer.schedule import clock
from worker.settings import WorkerSettings

Operation = Literal[
    "StartTranscriptionJob",
    "GetTranscriptionJob",
    "ListTranscriptionJobs",
    "DeleteTranscriptionJob",
]
#: Seconds for which the fleet keeps to fewer slots after AWS said that all are taken.
_LOWERED_FOR = 30
#: Seconds after its turn at which a permit counts as given back, for its worker seems to be dead; a
#: living one renews those of calls that take longer. A call may be under way for as long.
_PERMIT_LASTS = 15.0
#: Seconds after its turn up to which a call may be sent: it needs time to connect and to arrive.
_SENT_WITHIN = 5.0


@dataclass(frozen=True)
class Permit:
    """The right to call an operation once, a number of seconds from when it was taken."""

    operation: Operation
    #: '' if none was to be had in time
    id: str
    #: seconds until it may be used; without one, until it may be worth asking again
    wait: float
    #: when it may be used, by Redis's clock, as Redis told it
    usable_at: str
    #: until when the call may be sent, by `clock`
    send_by: float


class Admission:
    """Who may call what, and which jobs may start."""

    def __init__(self, broker: Broker, settings: WorkerSettings, lease: float) -> None:
        """Keep to the quotas in `settings`; admitted jobs are leased for `lease` seconds."""
        self._broker = broker
        self._slots = settings.max_running_jobs
        self._lease = lease
        self._weights = json.dumps(settings.tenant_weights)
        self._rates: dict[Operation, float] = {
            "StartTranscriptionJob": settings.start_rate,
            "GetTranscriptionJob": settings.get_rate,
            "ListTranscriptionJobs": settings.list_rate,
            "DeleteTranscriptionJob": settings.delete_rate,
        }
        self._lock = threading.Lock()
        self._out: dict[str, Permit] = {}
        #: Threads of this worker that may wait for permits of an operation at once: all others are
        #: free for other work.
        self.waiting_room = {
            operation: threading.BoundedSemaphore(max(1, settings.concurrency // 2))
            for operation in self._rates
        }

    def admit(self) -> list[str]:
        """Give free slots to the jobs first in line; returns their ids, to be started now."""
        rate = self._rates["StartTranscriptionJob"]
        return list(self._broker.run("admit", self._slots, rate, self._lease, self._weights))

    def take(self, operation: Operation, patience: float) -> Permit:
        """Take a permit to call an operation, to be used within `patience` seconds.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        asked_at = clock()
        permit_id, wait, usable_at = self._broker.run(
            "take", operation, self._rates[operation], patience, _PERMIT_LASTS
        )
        send_by = asked_at + float(wait) + _SENT_WITHIN
        permit = Permit(operation, permit_id, float(wait), usable_at, send_by)
        if permit.id:
            with self._lock:
                self._out[permit.id] = permit
        return permit

    def give(self, permit: Permit, *, used: bool = True, rest: float = 0.0) -> None:
        """Give a permit back; it then rests for a second, and `rest` more, if it was used.

        Raises:
            BrokerUnavailable: if Redis does not answer; it then comes back by itself.
        """
        with self._lock:
            self._out.pop(permit.id, None)
        operation, rate = permit.operation, self._rates[permit.operation]
        unused = "" if used else permit.usable_at
        self._broker.run("give", operation, rate, permit.id, unused, rest)

    def renew(self) -> None:
        """Keep the permits of calls that take long.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._lock:
            long = [each for each in self._out.values() if each.send_by < clock()]
        if long:
            words = [word for each in long for word in (each.operation, each.id)]
            self._broker.run("hold_permits", _PERMIT_LASTS, *words)

    def rate(self, operation: Operation) -> float:
        """Calls of an operation a second, over the whole fleet."""
        return self._rates[operation]

    def slow_down(self, operation: str, seconds: float) -> None:
        """Let nobody call an operation of Transcribe for a while: AWS has throttled it."""
        if operation in self._rates:
            self._broker.run("refused", operation, seconds)

    def lower_slots(self) -> None:
        """Keep to the jobs that run now for a while: others in the account have the rest."""
        self._broker.run("lower_slots", _LOWERED_FOR)
