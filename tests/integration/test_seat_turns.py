"""The lines for seats in a real Redis: tenants take turns there as well, by their weights."""

from __future__ import annotations

from collections import Counter

import pytest

from producer.backend.keys import PREFIX
from producer.backend.schedule import Lease
from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.lines import Lines, numbered, owners
from tests.support.stack import Stack

pytestmark = pytest.mark.redis


class SeatLines(Lines):
    """Large work of one stage that finds no seat, and seats that get free."""

    def __init__(self, stack: Stack, stage: Stage) -> None:
        super().__init__(stack.broker)
        self.stage = stage
        self.all = f"{PREFIX}large:{stage}"

    def begun(self, *names: str) -> list[Lease]:
        """Take up jobs that are QUEUED, and bring them to the stage."""
        queued = int(self.broker.command("LLEN", Stage.UPLOAD.queue))
        self.schedule.dispatch(queued + len(names))
        return [self._begin(name) for name in names]

    def _begin(self, name: str) -> Lease:
        lease = self.schedule.acquire(Stage.UPLOAD, name)
        assert lease is not None
        if self.stage is Stage.UPLOAD:
            return lease
        assert self.store.advance(lease, name, [JobState.UPLOADING], JobState.READY, "ready")
        assert self.admit(1) == [name]
        return self.collect(name)

    def stand(self, tenant: str, *names: str, priority: int = 5) -> None:
        """Let new jobs of a tenant find no seat."""
        self.queue(tenant, *names, priority=priority)
        for lease in self.begun(*names):
            assert self.schedule.queue_large(lease)
            self.is_due_in(1000, lease.entry_id)

    def is_due_in(self, seconds: float, *names: str) -> None:
        """When jobs in line look for seats themselves, however slow this machine is."""
        due = float(self.broker.command("TIME")[0]) + seconds
        for name in names:
            self.broker.command("ZADD", f"{PREFIX}schedule:{self.stage}", "XX", due, name)

    def seated(self, number: int) -> list[str]:
        """Who gets the next so many seats, each held until the job is done."""
        names = []
        for _ in range(number):
            name = self.schedule.next_large(self.stage, self.weights)
            if name:
                assert self.schedule.acquire(self.stage, name) is not None
                names.append(name)
        return names

    def left(self) -> list[str]:
        """The keys that the lines for seats have in Redis."""
        whole = self.broker.command("KEYS", f"{PREFIX}large*")
        return sorted([*whole, *(key for key in super().left() if "large:" in key)])


@pytest.fixture(params=[Stage.UPLOAD, Stage.COLLECT])
def lines(request: pytest.FixtureRequest, stack: Stack) -> SeatLines:
    return SeatLines(stack, request.param)


def test_one_large_job_of_another_tenant_has_the_next_seat(lines: SeatLines) -> None:
    lines.stand("alice", *numbered("alice", 200), priority=0)
    assert owners(lines.seated(20)) == ["alice"] * 20
    lines.stand("zoe", "zoe-1", priority=9)
    assert lines.seated(1) == ["zoe-1"]
    assert owners(lines.seated(200)) == ["alice"] * 180


def test_seats_go_as_the_weights_say_and_none_is_left(lines: SeatLines) -> None:
    lines.weights = {"alice": 3, "bob": 1}
    for tenant in ("alice", "bob", ""):
        lines.stand(tenant, *numbered(tenant, 30))
    assert Counter(owners(lines.seated(40))) == {"alice": 24, "bob": 8, "nobody": 8}
    assert len(lines.seated(60)) == 50
    assert lines.seated(1) == []
    assert lines.left() == []


def test_within_a_tenant_priority_and_age_count(lines: SeatLines) -> None:
    lines.stand("alice", "alice-b", "alice-a")
    lines.stand("alice", "alice-urgent", priority=0)
    lines.stand("bob", "bob-1", priority=9)
    taken = lines.seated(4)
    assert [name for name in taken if name != "bob-1"] == ["alice-urgent", "alice-b", "alice-a"]
    assert taken.index("bob-1") < 2


def test_whoever_is_done_with_or_stopped_leaves_the_lines_and_costs_no_turn(
    lines: SeatLines,
) -> None:
    lines.stand("alice", *numbered("alice", 4))
    lines.stand("bob", *numbered("bob", 4))
    for name in (*numbered("alice", 4)[:3], *numbered("bob", 3)):
        lines.store.cancel(name)
    assert int(lines.broker.command("ZCARD", lines.all)) == 2
    for tenant in ("alice", "bob"):
        key = f"{PREFIX}waiting:large:{lines.stage}:{tenant}"
        assert int(lines.broker.command("ZCARD", key)) == 1
    assert sorted(lines.seated(2)) == ["alice-0003", "bob-0003"]
    assert lines.seated(1) == []
    assert lines.left() == []


def test_what_is_held_is_passed_over_and_costs_no_turn(lines: SeatLines) -> None:
    lines.stand("alice", *numbered("alice", 3))
    lines.stand("bob", *numbered("bob", 3))
    lines.is_due_in(-1, "alice-0000")
    lines.schedule.dispatch(100)
    looks = lines.schedule.acquire(lines.stage, "alice-0000")
    assert looks is not None
    assert sorted(lines.seated(2)) == ["alice-0001", "bob-0000"]
    # It finds no seat, and has its place again.
    assert lines.schedule.queue_large(looks)
    assert sorted(lines.seated(2)) == ["alice-0000", "bob-0001"]


def test_a_message_on_its_way_costs_nobody_his_place(lines: SeatLines) -> None:
    lines.stand("alice", "alice-1", "alice-2")
    lines.is_due_in(-1, "alice-1")
    assert lines.schedule.dispatch(100) == [(lines.stage, "alice-1")]
    assert lines.seated(1) == ["alice-1"]
    # Whoever gets the message finds it held.
    assert lines.schedule.acquire(lines.stage, "alice-1") is None


def test_no_call_looks_at_all_tenants_that_have_gone(lines: SeatLines) -> None:
    gone = 250
    for number in range(gone):
        lines.queue(f"tenant-{number}", f"job-{number}")
    for lease in lines.begun(*(f"job-{number}" for number in range(gone))):
        assert lines.schedule.queue_large(lease)
    for number in range(gone):
        lines.store.cancel(f"job-{number}")
    lines.stand("zoe", "zoe-1")
    turns = f"{PREFIX}tenants:large:{lines.stage}"
    before = int(lines.broker.command("ZCARD", turns))
    assert before == gone + 1
    assert lines.broker.run("next_large", stage=lines.stage, weights={}) is None
    assert int(lines.broker.command("ZCARD", turns)) == before - 100
    # Whoever has a seat asks on.
    assert lines.seated(1) == ["zoe-1"]
    assert lines.seated(1) == []
    assert lines.left() == []


def test_those_who_look_for_seats_leave_places_to_what_is_new(stack: Stack) -> None:
    lines = SeatLines(stack, Stage.UPLOAD)
    many = numbered("alice", 40)
    lines.stand("alice", *many)
    lines.is_due_in(-1, *many)
    lines.queue("zoe", "zoe-1")
    room = int(stack.broker.command("LLEN", Stage.UPLOAD.queue)) + 10
    claimed = [name for _, name in lines.schedule.dispatch(room)]
    assert "zoe-1" in claimed
    assert owners(claimed).count("alice") == 5
    room += 10
    # When nothing is new they have all of them.
    assert owners([name for _, name in lines.schedule.dispatch(room)]).count("alice") >= 10


def test_of_places_that_come_one_at_a_time_what_is_new_has_some_too(stack: Stack) -> None:
    lines = SeatLines(stack, Stage.UPLOAD)
    many = numbered("alice", 40)
    lines.stand("alice", *many)
    lines.is_due_in(-1, *many)
    lines.queue("zoe", "zoe-1")
    first = int(stack.broker.command("LLEN", Stage.UPLOAD.queue)) + 1
    # Whose it is is left to chance, so there are enough of those in line for it.
    claimed = [
        name for room in range(first, first + 30) for _, name in lines.schedule.dispatch(room)
    ]
    assert len(claimed) == 30
    assert "zoe-1" in claimed
