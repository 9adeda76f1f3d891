"""What a storm will be: jobs and blows, all decided by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum

WORKERS = ("one", "two", "three")


class Kind(StrEnum):
    """What is special about a job."""

    PLAIN = "plain"
    CLEANUP = "cleanup"
    KEY = "key"
    ON_S3 = "on S3"
    RAW = "raw message"
    TWICE = "submitted twice"
    NOT_AUDIO = "not audio"
    MISSING = "missing file"
    CANCELLED = "cancelled"
    OVERDUE = "overdue"
    UNLUCKY = "broken by the service once"
    HOPELESS = "refused by the service"


_SHARES = {
    Kind.PLAIN: 40,
    Kind.CLEANUP: 20,
    Kind.KEY: 5,
    Kind.ON_S3: 5,
    Kind.RAW: 6,
    Kind.TWICE: 6,
    Kind.NOT_AUDIO: 3,
    Kind.MISSING: 2,
    Kind.CANCELLED: 6,
    Kind.OVERDUE: 2,
    Kind.UNLUCKY: 3,
    Kind.HOPELESS: 2,
}


class Blow(StrEnum):
    """What is done to the fleet."""

    KILL_WORKER = "kill -9 a worker"
    STOP_WORKER = "SIGTERM a worker"
    FREEZE_WORKER = "freeze a worker for longer than a lease"
    KILL_REDIS = "kill -9 Redis"
    STOP_REDIS = "SIGTERM Redis"
    CUT_REDIS = "cut all connections to Redis"
    # Not killed: its jobs and objects are in its memory, so that would be the end of AWS itself.
    FREEZE_AWS = "freeze AWS for a while"


@dataclass(frozen=True)
class Job:
    """A job of the plan."""

    name: str
    kind: Kind
    priority: int
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """Jobs that come in, a blow, and what AWS does until the next one."""

    jobs: tuple[Job, ...]
    blow: Blow
    worker: str
    #: the share of calls that AWS answers with each kind of fault
    faults: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """All that a seed decides."""

    seed: int
    steps: tuple[Step, ...]

    @property
    def jobs(self) -> list[Job]:
        """All jobs, in the order in which they come in."""
        return [job for step in self.steps for job in step.jobs]


def plan(seed: int, jobs: int, blows: int) -> Plan:
    """The plan of a seed; each kind of blow comes before one comes twice as often."""
    dice = random.Random(seed)
    kinds = dice.choices(list(_SHARES), weights=list(_SHARES.values()), k=jobs)
    coming = [
        Job(
            name=f"{kind.value.replace(' ', '-')}-{number}",
            kind=kind,
            priority=dice.randrange(10),
            formats=tuple(dice.sample(["txt", "srt", "vtt", "json"], dice.randint(1, 3))),
        )
        for number, kind in enumerate(kinds)
    ]
    falling: list[Blow] = []
    while len(falling) < blows:
        round_ = [*Blow, Blow.KILL_WORKER, Blow.KILL_WORKER]
        dice.shuffle(round_)
        falling += round_
    size = -(-jobs // blows)
    return Plan(
        seed,
        tuple(
            Step(
                jobs=tuple(coming[number * size : (number + 1) * size]),
                blow=blow,
                worker=dice.choice(WORKERS),
                faults={
                    fault: dice.choice((0.0, 0.02, 0.08))
                    for fault in ("error500", "error500_after", "throttle", "timeout_after")
                },
            )
            for number, blow in enumerate(falling[:blows])
        ),
    )
