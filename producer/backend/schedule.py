"""The schedule: what is due when, who holds what, kept in Redis and in nobody's memory."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from producer.backend.connection import Broker
from producer.contract.job import Stage

#: The poll task is one entry for the whole fleet, under what can be no job's name, and so is an
#: adoption.
FLEET = "*"
#: Fields of a job's record: what a look has seen, for the next to compare with, and when that was,
#: by Redis's clock, in seconds since 1970.
SEEN, SEEN_AT = "look.seen", "look.at"
#: All tenants have the same share.
NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Hold:
    """The right to work on an entry, until its lease lapses or somebody stops the job."""

    stage: Stage
    member: str
    #: the fence: a later holder has a higher one, and an older one can change nothing
    generation: str
    #: how many holders before this one went away without a word
    lapses: int
    #: the job's record as it was when the hold began
    record: dict[str, str]
    #: when the hold began, by Redis's clock, in seconds since 1970
    begun_at: float
    #: how long it holds at least, unless it is renewed, by `clock`
    until: float


def clock() -> float:
    """Seconds by a clock of this machine that also counts while it, or the process, is paused."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Schedule:
    """Claims, renews and gives back entries of the schedule."""

    def __init__(self, broker: Broker, lease: float) -> None:
        """Use `broker`; a holder that is silent for `lease` seconds loses its hold."""
        self._broker = broker
        self.lease = lease

    def claim(
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
        return [(Stage(stage), member) for stage, member in zip(flat[::2], flat[1::2], strict=True)]

    def begin(self, stage: Stage, member: str) -> Hold | None:
        """Take up an entry; None if it is gone, held by a living holder, or not due."""
        asked_at = clock()
        answer = self._broker.run("begin", stage.value, member, self.lease)
        if answer is None:
            return None
        generation, lapses, flat, begun_at = answer
        record = dict(zip(flat[::2], flat[1::2], strict=True))
        return Hold(
            stage, member, generation, int(lapses), record, float(begun_at), asked_at + self.lease
        )

    def renew(self, holds: Sequence[Hold]) -> list[bool]:
        """Keep the leases; False for each that is lost."""
        if not holds:
            return []
        words = [word for hold in holds for word in (hold.stage, hold.member, hold.generation)]
        return [bool(kept) for kept in self._broker.run("renew", self.lease, *words)]

    def put_off(self, hold: Hold, seconds: float, *, seen: str = "") -> bool:
        """Give an entry back, to be due in `seconds`; False if the hold was lost.

        What was `seen` of the job, if anything, is in its record from then on, as `SEEN`, with the
        time, as `SEEN_AT`.
        """
        return bool(
            self._broker.run(
                "put_off", hold.stage, hold.member, hold.generation, max(0.0, seconds), seen
            )
        )

    def failed_try(self, hold: Hold, most: int, seconds: float) -> int:
        """Count a try that ended in a way that is no answer, such as a crash.

        Unless it is the last of `most`, the entry is given back, to be due in `seconds`.

        Returns how many have failed so far; 0 if the hold was lost.
        """
        return int(
            self._broker.run(
                "failed_try", hold.stage, hold.member, hold.generation, most, max(0.0, seconds)
            )
        )

    def stand_in_line(self, hold: Hold) -> bool:
        """Give an entry back that is large and found no seat; False if the hold was lost."""
        return bool(self._broker.run("stand_in_line", hold.stage, hold.member, hold.generation))

    def is_line(self, stage: Stage) -> bool:
        """Whether anything stands in line for a seat."""
        return bool(self._broker.run("is_line_for_seats", stage))

    def next_in_line(self, stage: Stage, weights: Mapping[str, float] = NO_WEIGHTS) -> str:
        """Take the entry whose turn it is out of the line for seats, to be begun now.

        Tenants take turns, as `claim` says. Returns '' if nobody waits.
        """
        told = json.dumps(dict(weights))
        # Each answer that is none has taken a hundred tenants away whose lines are empty.
        while (found := self._broker.run("next_in_line", stage, told)) is None:
            pass
        return str(found)

    def finish(self, hold: Hold) -> bool:
        """Be done with an entry; the poll's stays while anything runs."""
        return bool(self._broker.run("put_off", hold.stage, hold.member, hold.generation, "", ""))
