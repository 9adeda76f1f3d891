"""Slots and call rates of the account, shared by the whole fleet through Redis."""

from __future__ import annotations

from typing import Literal

from producer.broker import Broker
from worker.settings import WorkerSettings

Operation = Literal[
    "StartTranscriptionJob",
    "GetTranscriptionJob",
    "ListTranscriptionJobs",
    "DeleteTranscriptionJob",
]
#: A full bucket lets through its burst and a second's refill, so a quota of N a second is kept in
#: every second by a burst of a share of N and a refill of the rest. Listing takes three calls in a
#: row to see 250 jobs.
_BURST_SHARE: dict[Operation, float] = {
    "StartTranscriptionJob": 0.2,
    "GetTranscriptionJob": 0.4,
    "ListTranscriptionJobs": 0.6,
    "DeleteTranscriptionJob": 0.2,
}
#: Seconds for which the fleet keeps to fewer slots after AWS said that all are taken.
_LOWERED_FOR = 30


class Admission:
    """Who may call what, and which jobs may start."""

    def __init__(self, broker: Broker, settings: WorkerSettings, lease: float) -> None:
        """Keep to the quotas in `settings`; admitted jobs are leased for `lease` seconds."""
        self._broker = broker
        self._slots = settings.max_running_jobs
        self._lease = lease
        self._rates: dict[Operation, float] = {
            "StartTranscriptionJob": settings.start_rate,
            "GetTranscriptionJob": settings.get_rate,
            "ListTranscriptionJobs": settings.list_rate,
            "DeleteTranscriptionJob": settings.delete_rate,
        }

    def admit(self) -> list[str]:
        """Give free slots to the jobs first in line; returns their ids, to be started now."""
        rate, burst = self._bucket("StartTranscriptionJob")
        return list(self._broker.run("admit", self._slots, rate, burst, self._lease))

    def take(self, operation: Operation) -> float:
        """Take a token for one call; returns 0, or the seconds to wait before asking again."""
        return float(self._broker.run("take", operation, *self._bucket(operation), 0))

    def spare(self, operation: Operation) -> float:
        """Seconds between two calls that leave half of an operation's rate to the fleet's jobs."""
        return 2 / self._bucket(operation)[0]

    def slow_down(self, operation: str, seconds: float) -> None:
        """Let nobody call an operation of Transcribe for a while: AWS has throttled it."""
        for known in self._rates:
            if known == operation:
                self._broker.run("take", known, *self._bucket(known), seconds)

    def lower_slots(self) -> None:
        """Keep to the jobs that run now for a while: others in the account have the rest."""
        self._broker.run("lower_slots", _LOWERED_FOR)

    def _bucket(self, operation: Operation) -> tuple[float, float]:
        rate = self._rates[operation]
        burst = max(1.0, rate * _BURST_SHARE[operation])
        return max(rate - burst, rate / 4), burst
