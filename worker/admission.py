"""Slots and call rates of the account, shared by the whole fleet through Redis."""

from __future__ import annotations

import json
from typing import Literal

from producer.broker import Broker
from worker.settings import WorkerSettings

Operation = Literal[
    "StartTranscriptionJob",
    "GetTranscriptionJob",
    "ListTranscriptionJobs",
    "DeleteTranscriptionJob",
]
#: Calls of an operation go out evenly, at this share of its quota. Of calls that leave at least
#: 1 / (0.96 N) s apart, no more than N arrive within any second, even if one is under way for up to
#: 1 / 0.96 - 1 s = 41 ms longer than another.
_SHARE = 0.96
#: Seconds for which the fleet keeps to fewer slots after AWS said that all are taken.
_LOWERED_FOR = 30


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

    def admit(self) -> list[str]:
        """Give free slots to the jobs first in line; returns their ids, to be started now."""
        gap = self.gap("StartTranscriptionJob")
        return list(self._broker.run("admit", self._slots, gap, self._lease, self._weights))

    def take(self, operation: Operation, patience: float) -> float:
        """Take the next turn to call; returns the seconds until it comes.

        If they are more than `patience`, it was not taken: ask again then.
        """
        return float(self._broker.run("take", operation, self.gap(operation), patience, 0))

    def gap(self, operation: Operation) -> float:
        """Seconds between two calls of an operation, over the whole fleet."""
        return 1 / (self._rates[operation] * _SHARE)

    def slow_down(self, operation: str, seconds: float) -> None:
        """Let nobody call an operation of Transcribe for a while: AWS has throttled it."""
        for known in self._rates:
            if known == operation:
                self._broker.run("take", known, self.gap(known), 0, seconds)

    def lower_slots(self) -> None:
        """Keep to the jobs that run now for a while: others in the account have the rest."""
        self._broker.run("lower_slots", _LOWERED_FOR)
