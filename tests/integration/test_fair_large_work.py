"""Large work waits in fair queues, too: tenants alternate by their weights, in a real Redis."""

from __future__ import annotations

from collections import Counter

import pytest

from producer.backend import keys
from producer.backend.schedule import Lease
from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.fair_queues import FairQueues, numbered, owners
from tests.support.redis_keys import present
from tests.support.stack import Stack

pytestmark = pytest.mark.redis


class LargeWorkQueues(FairQueues):
    """Large work of one stage beyond the concurrency limit, and what the limit admits later."""

    def __init__(self, stack: Stack, stage: Stage) -> None:
        super().__init__(stack.broker)
        self.stage = stage
        self.all = keys.LARGE(stage)

    def acquired(self, *names: str) -> list[Lease]:
        """Bring QUEUED jobs to the stage; returns the lease of each."""
        queued = int(self.broker.command("LLEN", Stage.UPLOAD.queue))
        self.schedule.dispatch(queued + len(names))
        return [self._acquire(name) for name in names]

    def _acquire(self, name: str) -> Lease:
        lease = self.schedule.acquire(Stage.UPLOAD, name)
        assert lease is not None
        if self.stage is Stage.UPLOAD:
            return lease
        assert self.store.advance(lease, name, [JobState.UPLOADING], JobState.READY, "ready")
        assert self.admit(1) == [name]
        return self.collect(name)

    def enqueue(self, tenant: str, *names: str, priority: int = 5) -> None:
        """Submit jobs of a tenant that are beyond the limit."""
        self.submit(tenant, *names, priority=priority)
        for lease in self.acquired(*names):
            assert self.schedule.queue_large(lease)
            self.is_due_in(1000, lease.entry_id)

    def is_due_in(self, seconds: float, *names: str) -> None:
        """Set when queued jobs try again by themselves, however slow this machine is."""
        due = float(self.broker.command("TIME")[0]) + seconds
        for name in names:
            self.broker.command("ZADD", keys.SCHEDULE(self.stage), "XX", due, name)

    def admitted(self, number: int) -> list[str]:
        """The jobs that are next, up to a number; each keeps its lease."""
        names = []
        for _ in range(number):
            name = self.schedule.next_large(self.stage, self.weights)
            if name:
                assert self.schedule.acquire(self.stage, name) is not None
                names.append(name)
        return names

    def left(self) -> list[str]:
        """The keys of these queues in Redis."""
        whole = present(self.broker, keys.LARGE)
        return sorted([*whole, *(key for key in super().left() if "large:" in key)])


@pytest.fixture(params=[Stage.UPLOAD, Stage.COLLECT])
def queues(request: pytest.FixtureRequest, stack: Stack) -> LargeWorkQueues:
    return LargeWorkQueues(stack, request.param)


@pytest.mark.command("queue_large", "is_large_queued", "next_large")
def test_one_large_job_of_another_tenant_is_next(queues: LargeWorkQueues) -> None:
    assert not queues.schedule.is_large_queued(queues.stage)
    queues.enqueue("alice", *numbered("alice", 200), priority=0)
    assert queues.schedule.is_large_queued(queues.stage)
    assert owners(queues.admitted(20)) == ["alice"] * 20
    queues.enqueue("zoe", "zoe-1", priority=9)
    assert queues.admitted(1) == ["zoe-1"]
    assert owners(queues.admitted(200)) == ["alice"] * 180


def test_large_work_is_shared_by_weight_and_none_is_left(queues: LargeWorkQueues) -> None:
    queues.weights = {"alice": 3, "bob": 1}
    for tenant in ("alice", "bob", ""):
        queues.enqueue(tenant, *numbered(tenant, 30))
    assert Counter(owners(queues.admitted(40))) == {"alice": 24, "bob": 8, "nobody": 8}
    assert len(queues.admitted(60)) == 50
    assert queues.admitted(1) == []
    assert queues.left() == []


def test_within_a_tenant_priority_and_age_count(queues: LargeWorkQueues) -> None:
    queues.enqueue("alice", "alice-b", "alice-a")
    queues.enqueue("alice", "alice-urgent", priority=0)
    queues.enqueue("bob", "bob-1", priority=9)
    admitted = queues.admitted(4)
    assert [name for name in admitted if name != "bob-1"] == ["alice-urgent", "alice-b", "alice-a"]
    assert admitted.index("bob-1") < 2


def test_cancelled_jobs_leave_the_queue_and_cost_their_tenant_nothing(
    queues: LargeWorkQueues,
) -> None:
    queues.enqueue("alice", *numbered("alice", 4))
    queues.enqueue("bob", *numbered("bob", 4))
    for name in (*numbered("alice", 4)[:3], *numbered("bob", 3)):
        queues.store.cancel(name)
    assert int(queues.broker.command("ZCARD", queues.all)) == 2
    for tenant in ("alice", "bob"):
        key = keys.WAITING("large", queues.stage, tenant)
        assert int(queues.broker.command("ZCARD", key)) == 1
    assert sorted(queues.admitted(2)) == ["alice-0003", "bob-0003"]
    assert queues.admitted(1) == []
    assert queues.left() == []


def test_leased_work_is_passed_over_and_costs_its_tenant_nothing(queues: LargeWorkQueues) -> None:
    queues.enqueue("alice", *numbered("alice", 3))
    queues.enqueue("bob", *numbered("bob", 3))
    queues.is_due_in(-1, "alice-0000")
    queues.schedule.dispatch(100)
    lease = queues.schedule.acquire(queues.stage, "alice-0000")
    assert lease is not None
    assert sorted(queues.admitted(2)) == ["alice-0001", "bob-0000"]
    # It is beyond the limit again, and keeps its position.
    assert queues.schedule.queue_large(lease)
    assert sorted(queues.admitted(2)) == ["alice-0000", "bob-0001"]


def test_a_message_on_its_way_costs_no_job_its_position(queues: LargeWorkQueues) -> None:
    queues.enqueue("alice", "alice-1", "alice-2")
    queues.is_due_in(-1, "alice-1")
    assert queues.schedule.dispatch(100) == [(queues.stage, "alice-1")]
    assert queues.admitted(1) == ["alice-1"]
    # The worker that gets the message finds it leased.
    assert queues.schedule.acquire(queues.stage, "alice-1") is None


def test_no_call_visits_all_tenants_without_jobs(queues: LargeWorkQueues) -> None:
    gone = 250
    for number in range(gone):
        queues.submit(f"tenant-{number}", f"job-{number}")
    for lease in queues.acquired(*(f"job-{number}" for number in range(gone))):
        assert queues.schedule.queue_large(lease)
    for number in range(gone):
        queues.store.cancel(f"job-{number}")
    queues.enqueue("zoe", "zoe-1")
    tenants = keys.TENANTS("large", queues.stage)
    before = int(queues.broker.command("ZCARD", tenants))
    assert before == gone + 1
    assert queues.broker.run("next_large", stage=queues.stage, weights={}) is None
    assert int(queues.broker.command("ZCARD", tenants)) == before - 100
    # A worker within the limit asks on.
    assert queues.admitted(1) == ["zoe-1"]
    assert queues.admitted(1) == []
    assert queues.left() == []


def test_large_work_that_tries_again_leaves_room_for_new_jobs(stack: Stack) -> None:
    queues = LargeWorkQueues(stack, Stage.UPLOAD)
    many = numbered("alice", 40)
    queues.enqueue("alice", *many)
    queues.is_due_in(-1, *many)
    queues.submit("zoe", "zoe-1")
    room = int(stack.broker.command("LLEN", Stage.UPLOAD.queue)) + 10
    dispatched = [name for _, name in queues.schedule.dispatch(room)]
    assert "zoe-1" in dispatched
    assert owners(dispatched).count("alice") == 5
    room += 10
    # Without new jobs they have all of the room.
    assert owners([name for _, name in queues.schedule.dispatch(room)]).count("alice") >= 10


def test_new_jobs_get_some_of_the_room_that_comes_one_at_a_time(stack: Stack) -> None:
    queues = LargeWorkQueues(stack, Stage.UPLOAD)
    many = numbered("alice", 40)
    queues.enqueue("alice", *many)
    queues.is_due_in(-1, *many)
    queues.submit("zoe", "zoe-1")
    first = int(stack.broker.command("LLEN", Stage.UPLOAD.queue)) + 1
    # Chance decides which of the two is next, so there are enough of each.
    dispatched = [
        name for room in range(first, first + 30) for _, name in queues.schedule.dispatch(room)
    ]
    assert len(dispatched) == 30
    assert "zoe-1" in dispatched
