"""Holders whose lease has lapsed are dead: nobody waits for them, their work goes first."""

from __future__ import annotations

import pytest

from producer.backend.job_store import PREFIX
from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.lines import NO_LIMIT, Lines
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.redis

#: As it was seen: cleanups that were due when a worker was killed, and those that it was at.
DUE = 313
HELD = 5
RATE = f"{HELD}!"
#: Longer than any test, however slow the machine: leases lapse when the test says so.
LEASE = 600.0


@pytest.fixture
def lines(stack: Stack) -> Lines:
    return Lines(stack.broker, lease=LEASE)


def completed(lines: Lines, names: list[str]) -> None:
    """Bring jobs to where only their cleanup is left."""
    lines.queue("", *names)
    assert lines.upload(len(names)) == names
    assert lines.admit(len(names)) == names
    for name in names:
        lease = lines.schedule.acquire(Stage.START, name)
        assert lease is not None
        states = [JobState.STARTING]
        assert lines.store.advance(lease, name, states, JobState.COMPLETED, Stage.CLEANUP)


def all_are_due(stack: Stack) -> None:
    """Wait until every cleanup is due."""
    number = stack.broker.command("ZCARD", f"{PREFIX}schedule:cleanup")
    due = ("ZCOUNT", f"{PREFIX}schedule:cleanup", "-inf")
    until(lambda: stack.broker.command(*due, stack.now()) == number)


def lapse(stack: Stack, stage: Stage, names: list[str]) -> None:
    """Let the leases of entries be over, one after the other, as if nobody had renewed them."""
    for name in names:
        seconds, micros = stack.broker.command("TIME")
        now = f"{seconds}.{micros:06}"
        stack.broker.command("ZADD", f"{PREFIX}schedule:{stage}", "XX", now, name)


def claimed(lines: Lines) -> list[str]:
    """The cleanups that a dispatcher claims, with room for all in the queue."""
    room = DUE + HELD + int(lines.broker.command("LLEN", Stage.CLEANUP.queue))
    found = lines.schedule.dispatch(room, delete_rate=RATE)
    assert {stage for stage, _ in found} <= {Stage.CLEANUP}
    return [name for _, name in found]


def test_cleanups_go_on_after_their_worker_was_killed(stack: Stack, lines: Lines) -> None:
    names = [f"job-{number:03}" for number in range(DUE + HELD)]
    completed(lines, names)
    all_are_due(stack)
    held = claimed(lines)
    assert held == names[:HELD]
    assert all(lines.schedule.acquire(Stage.CLEANUP, name) for name in held)
    assert claimed(lines) == [], "as many are on their way as may be"
    # Their worker is killed. Now they lie behind all others, which have been due for longer.
    lapse(stack, Stage.CLEANUP, held)
    assert claimed(lines) == held
    for name in held:
        lease = lines.schedule.acquire(Stage.CLEANUP, name)
        assert lease is not None
        assert lease.stalled_count == 1
        assert lines.store.record_cleanup(lease)
    assert claimed(lines) == names[HELD : 2 * HELD]


def test_cleanups_whose_messages_were_swallowed_go_on(stack: Stack, lines: Lines) -> None:
    names = [f"job-{number:03}" for number in range(DUE + HELD)]
    completed(lines, names)
    all_are_due(stack)
    assert claimed(lines) == names[:HELD]
    assert claimed(lines) == []
    lapse(stack, Stage.CLEANUP, names[:HELD])
    assert claimed(lines) == names[:HELD]


def test_starts_of_a_worker_that_was_killed_go_before_new_ones(stack: Stack, lines: Lines) -> None:
    names = [f"job-{number:03}" for number in range(4 * HELD)]
    lines.queue("", *names)
    lines.upload(len(names))

    def admitted() -> list[str]:
        return list(stack.broker.run("admit", NO_LIMIT, RATE, LEASE, "{}"))

    first = admitted()
    assert first == names[: len(first)]
    assert len(first) >= HELD
    assert all(lines.schedule.acquire(Stage.START, name) for name in first)
    lapse(stack, Stage.START, first)
    assert admitted() == [], "there are permits for so many only"
    assert [name for _, name in lines.schedule.dispatch(len(names))] == first
    for name in first:
        lease = lines.schedule.acquire(Stage.START, name)
        assert lease is not None
        states = [JobState.STARTING]
        assert lines.store.advance(lease, name, states, JobState.TRANSCRIBING, "running")
    assert admitted() == names[len(first) : 2 * len(first)]
