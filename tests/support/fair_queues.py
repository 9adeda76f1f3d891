"""The fair queues of a real Redis, without workers: a test dispatches and admits what is next."""

from __future__ import annotations

from dataclasses import dataclass, field

from producer.backend import keys
from producer.backend.connection import Broker
from producer.backend.job_store import JobStore
from producer.backend.schedule import Lease, Schedule
from producer.contract.job import JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import FLEET, Stage
from producer.contract.submission import Submission
from tests.support.redis_keys import present
from tests.support.stack import LEASE

#: Starts a second, so many that none waits.
NO_LIMIT = "100000"


@dataclass
class FairQueues:
    """Submits jobs, and moves them on as tasks and dispatchers do."""

    broker: Broker
    weights: dict[str, float] = field(default_factory=dict)
    lease: float = LEASE

    def __post_init__(self) -> None:
        self.store = JobStore(self.broker, retention=3600, lease=self.lease)
        self.schedule = Schedule(self.broker, self.lease)

    def submit(self, tenant: str, *names: str, priority: int = 5) -> None:
        metadata = {"tenant": tenant} if tenant else {}
        submissions = [
            Submission.of(
                TranscriptionRequest(
                    audio="s3://recordings/a.wav", name=name, priority=priority, metadata=metadata
                )
            )
            for name in names
        ]
        list(self.store.record(submissions, deadline=3600, at_once=False))

    def upload(self, number: int) -> list[str]:
        """Upload the next so many jobs, which are READY then; returns their names in order."""
        room = number + self._queued()
        dispatched = self.schedule.dispatch(room, weights=self.weights)
        names = [name for stage, name in dispatched if stage is Stage.UPLOAD]
        for name in names:
            lease = self.schedule.acquire(Stage.UPLOAD, name)
            assert lease is not None
            states = [JobState.UPLOADING]
            assert self.store.advance(lease, name, states, JobState.READY)
        return names

    def _queued(self) -> int:
        return int(self.broker.command("LLEN", Stage.UPLOAD.queue))

    def admit(self, number: int) -> list[str]:
        """Admit the next so many jobs; returns their names in order."""
        starting = int(self.broker.command("ZCARD", keys.SCHEDULE("start")))
        slots = starting + int(self.broker.command("ZCARD", str(keys.RUNNING))) + number
        return list(
            self.broker.run(
                "admit_jobs",
                slots=str(slots),
                start_rate=NO_LIMIT,
                lease=self.lease,
                weights=self.weights,
            )
        )

    def put_back(self, name: str) -> None:
        """AWS had no slot for it after all."""
        lease = self.schedule.acquire(Stage.START, name)
        assert lease is not None
        states = [JobState.STARTING]
        assert self.store.advance(lease, name, states, JobState.READY, {Stage.START: "first"})

    def collect(self, name: str, **fields: str) -> Lease:
        """Let Transcribe do a job that is STARTING; returns the lease of its collect entry."""
        start = self.schedule.acquire(Stage.START, name)
        assert start is not None
        moved = self.store.advance(
            start, name, [JobState.STARTING], JobState.TRANSCRIBING, fields=fields
        )
        assert moved
        self.schedule.dispatch(1)
        poll = self.schedule.acquire(Stage.POLL, FLEET)
        assert poll is not None
        states = [JobState.TRANSCRIBING]
        assert self.store.advance(poll, name, states, JobState.COLLECTING)
        assert self.schedule.complete(poll)
        collect = self.schedule.acquire(Stage.COLLECT, name)
        assert collect is not None
        return collect

    def clean_up(self, name: str) -> None:
        """Clean up after a cancelled job, so that it may be retried."""
        lease = self.schedule.acquire(Stage.CLEANUP, name)
        assert lease is not None
        assert self.schedule.complete(lease, {"cleaned_at": 1})

    def left(self) -> list[str]:
        """The keys of the fair queues in Redis."""
        return present(self.broker, keys.WAITING, keys.TENANTS, keys.VIRTUAL_TIME, keys.REQUEUED)


def numbered(tenant: str, number: int) -> list[str]:
    return [f"{tenant or 'nobody'}-{each:04}" for each in range(number)]


def owners(names: list[str]) -> list[str]:
    return [name.split("-")[0] for name in names]
