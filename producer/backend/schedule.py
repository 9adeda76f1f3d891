"""The schedule: what is due when, who holds what, kept in Redis and in nobody's memory."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from producer.backend.connection import Broker
from producer.contract.stages import Stage

#: The poll task is one entry for the whole fleet, under what can be no job's name, and so is an
#: recovery.
FLEET = "*"
#: Fields of a job's record: what a look has seen, for the next to compare with, and when that was,
#: by Redis's clock, in seconds since 1970.
SEEN, SEEN_AT = "look.seen", "look.at"
#: All tenants have the same share.
NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Lease:
    """The right to work on an entry until it expires or somebody stops the job."""

    stage: Stage
    entry_id: str
    #: the fence: a later holder has a higher one, and an older one can change nothing
    token: str
    #: how many holders before this one went away without a word
    stalled_count: int
    #: the job's record as it was when the hold began
    record: dict[str, str]
    #: when the hold began, by Redis's clock, in seconds since 1970
    acquired_at: float
    #: how long it holds at least, unless it is renewed, by `clock`
    expires_at: float


def clock() -> float:
    """Seconds by a clock of this machine that also counts while it, or the process, is paused."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Schedule:
    """Claims, renews and gives back entries of the schedule."""

    def __init__(self, broker: Broker, lease: float) -> None:
        """Use `broker`; a holder that is silent for `lease` seconds loses its hold."""
        self._broker = broker
        self.lease = lease

    def dispatch(
        self, room: int, delete_rate: str = "1000!", weights: Mapping[str, float] = NO_WEIGHTS
    ) -> list[tuple[Stage, str]]:
        """Claim what is due and send messages for it, until each queue holds `room` of them.

        Cleanups that delete at Transcribe are claimed no faster than `delete_rate` a second; with a
        `!`, whatever the account allows. Of new uploads each tenant has as many as its weight says,
        to 1 of those without one.
        """
        stages = [word for stage in Stage for word in (stage.value, stage.queue)]
        flat: list[str] = self._broker.run(
            "claim", self.lease, room, delete_rate, json.dumps(dict(weights)), *stages
        )
        return [
            (Stage(stage), entry_id) for stage, entry_id in zip(flat[::2], flat[1::2], strict=True)
        ]

    def acquire(self, stage: Stage, entry_id: str) -> Lease | None:
        """Take up an entry; None if it is gone, held by a living holder, or not due."""
        asked_at = clock()
        answer = self._broker.run("begin", stage.value, entry_id, self.lease)
        if answer is None:
            return None
        token, stalled_count, flat, acquired_at = answer
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        return Lease(
            stage,
            entry_id,
            token,
            int(stalled_count),
            record,
            float(acquired_at),
            asked_at + self.lease,
        )

    def extend(self, leases: Sequence[Lease]) -> list[bool]:
        """Keep the leases; False for each that is lost."""
        if not leases:
            return []
        words = [word for lease in leases for word in (lease.stage, lease.entry_id, lease.token)]
        return [bool(kept) for kept in self._broker.run("renew", self.lease, *words)]

    def release(self, lease: Lease, seconds: float, *, seen: str = "") -> bool:
        """Give an entry back, to be due in `seconds`; False if the hold was lost.

        What was `seen` of the job, if anything, is in its record from then on, as `SEEN`, with the
        time, as `SEEN_AT`.
        """
        return bool(
            self._broker.run(
                "put_off", lease.stage, lease.entry_id, lease.token, max(0.0, seconds), seen
            )
        )

    def record_failure(self, lease: Lease, most: int, seconds: float) -> int:
        """Count a try that ended in a way that is no answer, such as a crash.

        Unless it is the last of `most`, the entry is given back, to be due in `seconds`.

        Returns how many have failed so far; 0 if the hold was lost.
        """
        return int(
            self._broker.run(
                "failed_try", lease.stage, lease.entry_id, lease.token, most, max(0.0, seconds)
            )
        )

    def queue_large(self, lease: Lease) -> bool:
        """Give an entry back that is large and found no seat; False if the hold was lost."""
        return bool(self._broker.run("stand_in_line", lease.stage, lease.entry_id, lease.token))

    def is_large_queued(self, stage: Stage) -> bool:
        """Whether anything stands in line for a seat."""
        return bool(self._broker.run("is_line_for_seats", stage))

    def next_large(self, stage: Stage, weights: Mapping[str, float] = NO_WEIGHTS) -> str:
        """Take the entry whose turn it is out of the line for seats, to be begun now.

        Tenants take turns, as `claim` says. Returns '' if nobody waits.
        """
        told = json.dumps(dict(weights))
        # Each answer that is none has taken a hundred tenants away whose lines are empty.
        while (found := self._broker.run("next_in_line", stage, told)) is None:
            pass
        return str(found)

    def complete(self, lease: Lease) -> bool:
        """Be done with an entry; the poll's stays while anything runs."""
        return bool(self._broker.run("put_off", lease.stage, lease.entry_id, lease.token, "", ""))
