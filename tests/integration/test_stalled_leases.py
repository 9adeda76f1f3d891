"""Entries whose worker died are stalled: they go before what is due, and count against no limit."""

from __future__ import annotations

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.fair_queues import NO_LIMIT, FairQueues
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.redis

#: Cleanups that were due when a worker was killed, and those that it was at, as in an incident.
DUE = 313
AT_WORK = 5
RATE = f"{AT_WORK}!"
#: Longer than any test, however slow the machine: the test itself ends the leases.
LEASE = 600.0


@pytest.fixture
def queues(stack: Stack) -> FairQueues:
    return FairQueues(stack.broker, lease=LEASE)


def completed(queues: FairQueues, names: list[str]) -> None:
    """Bring jobs to where only their cleanup is left."""
    queues.submit("", *names)
    assert queues.upload(len(names)) == names
    assert queues.admit(len(names)) == names
    for name in names:
        lease = queues.collect(name)
        states = [JobState.COLLECTING]
        assert queues.store.advance(lease, name, states, JobState.COMPLETED)


def all_are_due(stack: Stack) -> None:
    """Wait until every cleanup is due."""
    number = stack.broker.command("ZCARD", keys.SCHEDULE("cleanup"))
    due = ("ZCOUNT", keys.SCHEDULE("cleanup"), "-inf")
    until(lambda: stack.broker.command(*due, stack.now()) == number)


def end_leases(stack: Stack, stage: Stage, names: list[str]) -> None:
    """End the leases of entries, one after the other, as if their worker had not extended them."""
    for name in names:
        seconds, micros = stack.broker.command("TIME")
        now = f"{seconds}.{micros:06}"
        stack.broker.command("ZADD", keys.SCHEDULE(stage), "XX", now, name)


def dispatched(queues: FairQueues) -> list[str]:
    """The cleanups that a dispatcher sends to workers, with room for all in the queue."""
    room = DUE + AT_WORK + int(queues.broker.command("LLEN", Stage.CLEANUP.queue))
    found = queues.schedule.dispatch(room, delete_rate=RATE)
    assert {stage for stage, _ in found} <= {Stage.CLEANUP}
    return [name for _, name in found]


def test_cleanups_go_on_after_their_worker_was_killed(stack: Stack, queues: FairQueues) -> None:
    names = [f"job-{number:03}" for number in range(DUE + AT_WORK)]
    completed(queues, names)
    all_are_due(stack)
    at_work = dispatched(queues)
    assert at_work == names[:AT_WORK]
    assert all(queues.schedule.acquire(Stage.CLEANUP, name) for name in at_work)
    assert dispatched(queues) == [], "as many are on their way as may be"
    # Their worker is killed. All other cleanups have been due for longer.
    end_leases(stack, Stage.CLEANUP, at_work)
    assert dispatched(queues) == at_work
    for name in at_work:
        lease = queues.schedule.acquire(Stage.CLEANUP, name)
        assert lease is not None
        assert lease.stalled_count == 1
        assert queues.schedule.complete(lease, {"cleaned_at": 1})
    assert dispatched(queues) == names[AT_WORK : 2 * AT_WORK]


def test_cleanups_whose_messages_were_swallowed_go_on(stack: Stack, queues: FairQueues) -> None:
    names = [f"job-{number:03}" for number in range(DUE + AT_WORK)]
    completed(queues, names)
    all_are_due(stack)
    assert dispatched(queues) == names[:AT_WORK]
    assert dispatched(queues) == []
    end_leases(stack, Stage.CLEANUP, names[:AT_WORK])
    assert dispatched(queues) == names[:AT_WORK]


def test_starts_of_a_worker_that_was_killed_go_before_new_ones(
    stack: Stack, queues: FairQueues
) -> None:
    names = [f"job-{number:03}" for number in range(4 * AT_WORK)]
    queues.submit("", *names)
    queues.upload(len(names))

    def admitted() -> list[str]:
        return list(
            stack.broker.run("admit_jobs", slots=NO_LIMIT, start_rate=RATE, lease=LEASE, weights={})
        )

    first = admitted()
    assert first == names[: len(first)]
    assert len(first) >= AT_WORK
    assert all(queues.schedule.acquire(Stage.START, name) for name in first)
    end_leases(stack, Stage.START, first)
    assert admitted() == [], "there are tokens for so many only"
    assert [name for _, name in queues.schedule.dispatch(len(names))] == first
    for name in first:
        lease = queues.schedule.acquire(Stage.START, name)
        assert lease is not None
        states = [JobState.STARTING]
        assert queues.store.advance(lease, name, states, JobState.TRANSCRIBING)
    assert admitted() == names[len(first) : 2 * len(first)]
