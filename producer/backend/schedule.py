"""The schedule: what is due when, and who has its lease. It is in Redis, and in no process."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from producer.backend.connection import Argument, Broker
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE, Stage

#: Fields of a job's record: what a worker has seen, for the next to compare with, and when that
#: was, by Redis's clock, in seconds since 1970.
SEEN, SEEN_AT = "seen", "seen_at"
#: All tenants have the same weight.
NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})
#: Seconds from when a cleanup is dispatched to its call, with what it deletes in S3 before.
_AHEAD_OF_DELETE = 0.5
#: The moves that a job makes as a stage starts to work on it.
_ON_START = {Stage.UPLOAD: {JobState.QUEUED: JobState.UPLOADING}}


@dataclass(frozen=True)
class Lease:
    """The right to work on an entry until it expires or somebody stops the job."""

    stage: Stage
    entry_id: str
    #: the fencing token: a later lease has a higher one, and an earlier one can change nothing
    token: str
    #: how many leases before this one lapsed in a row
    stalled_count: int
    #: the job's record as it was then; of what is no job's, empty
    record: dict[str, str]
    #: when it was acquired, by Redis's clock, in seconds since 1970
    acquired_at: float
    #: until when it lasts at least, unless it is extended, by `clock`
    expires_at: float

    @property
    def arguments(self) -> dict[str, str]:
        """By what scripts know it."""
        return {"stage": self.stage, "id": self.entry_id, "token": self.token}


def clock() -> float:
    """Seconds by a clock of this machine that also counts while it, or the process, is paused."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Schedule:
    """Dispatches entries, and acquires, extends, releases and completes their leases."""

    def __init__(self, broker: Broker, lease: float) -> None:
        """Use `broker`; a lease that nobody extends lapses after `lease` seconds."""
        self._broker = broker
        self.lease = lease

    def dispatch(
        self, room: int, delete_rate: str = "1000!", weights: Mapping[str, float] = NO_WEIGHTS
    ) -> list[tuple[Stage, str]]:
        """Send messages for what is due and for new uploads, until each queue has `room` of them.

        Cleanups that delete at Transcribe are sent no faster than `delete_rate` a second; with a
        `!`, whatever the account allows. Of new uploads each tenant has as many as its weight
        says, to 1 of those without one.
        """
        stages = [_dispatched(stage, room, delete_rate) for stage in Stage]
        flat: list[str] = self._broker.run(
            "dispatch_due", lease=self.lease, weights=dict(weights), stages=stages
        )
        return [(Stage(stage), entry) for stage, entry in zip(flat[::2], flat[1::2], strict=True)]

    def acquire(self, stage: Stage, entry_id: str) -> Lease | None:
        """Acquire the lease of an entry; None if it is gone, leased to another, or not due."""
        asked_at = clock()
        answer = self._broker.run(
            "acquire_lease",
            stage=stage,
            id=entry_id,
            lease=self.lease,
            of_job=stage.is_of_job,
            on_start=_ON_START.get(stage, {}),
        )
        if answer is None:
            return None
        token, stalled_count, flat, acquired_at = answer
        return Lease(
            stage,
            entry_id,
            token,
            int(stalled_count),
            dict(zip(flat[::2], flat[1::2], strict=True)),
            acquired_at=float(acquired_at),
            expires_at=asked_at + self.lease,
        )

    def extend(self, leases: Sequence[Lease]) -> list[bool]:
        """Extend leases; False for each that is lost."""
        if not leases:
            return []
        named = [lease.arguments for lease in leases]
        extended = self._broker.run("extend_leases", lease=self.lease, leases=named)
        return [bool(each) for each in extended]

    def release(
        self, lease: Lease, seconds: float, *, seen: str = "", has_started: bool = True
    ) -> bool:
        """Release a lease: the entry is due in `seconds`; False if the lease was lost.

        What was `seen` of the job, if anything, is in its record from then on, as `SEEN`, with the
        time, as `SEEN_AT`. How often leases of the entry lapsed, and how often work on it crashed,
        is forgotten if this work `has_started`; it still counts if it was turned away before that.
        """
        return self._run(
            "release_lease",
            lease,
            delay=max(0.0, seconds),
            seen=seen,
            has_started=has_started,
            watches_running=lease.stage is Stage.POLL,
        )

    def complete(self, lease: Lease, fields: Mapping[str, Argument] | None = None) -> bool:
        """Complete an entry; the poll's stays while anything runs. False if the lease was lost.

        The job's record has `fields` from then on.
        """
        return self._run(
            "complete_lease",
            lease,
            watches_running=lease.stage is Stage.POLL,
            deletes_message=lease.stage is Stage.SUBMIT,
            fields=dict(fields or {}),
        )

    def record_failure(self, lease: Lease, max_failures: int, seconds: float) -> int:
        """Count a try that ended in a way that is no answer, such as a crash.

        Unless it is the last of `max_failures`, the lease ends, and the entry is due in `seconds`.
        After the last the caller keeps the lease, to end the work.

        Returns how many have failed so far; 0 if the lease was lost.
        """
        return int(
            self._broker.run(
                "record_failure",
                **lease.arguments,
                max_failures=max_failures,
                delay=max(0.0, seconds),
            )
        )

    def _run(self, script: str, lease: Lease, **arguments: object) -> bool:
        return bool(self._broker.run(script, **lease.arguments, **arguments))


def _dispatched(stage: Stage, room: int, delete_rate: str) -> dict[str, object]:
    """How work of a stage is dispatched, as `dispatch_due` has it."""
    match stage:
        case Stage.SUBMIT:
            # A flood of messages does not delay jobs that run already.
            return {"stage": stage, "room": room, "inbox": True}
        case Stage.UPLOAD:
            return {"stage": stage, "room": room, "queue": JobState.QUEUED}
        case Stage.CLEANUP:
            limited = {"operation": "DeleteTranscriptionJob", "limit": delete_rate}
            return {"stage": stage, "room": room, "ahead": _AHEAD_OF_DELETE, **limited}
        case _:
            doubled = 2 * room if stage.queue == CONTROL_QUEUE else room
            return {"stage": stage, "room": doubled}
