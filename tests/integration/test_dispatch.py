"""What is due, such as large jobs that try again, leaves room in the queues for new jobs."""

from __future__ import annotations

import pytest

from producer.contract.stages import Stage
from tests.support.fair_queues import FairQueues, numbered, owners
from tests.support.stack import Stack

pytestmark = pytest.mark.redis

DUE = 40


@pytest.fixture
def queues(stack: Stack) -> FairQueues:
    """The queues with many large uploads of alice, all due again, and a new job of zoe."""
    queues = FairQueues(stack.broker)
    names = numbered("alice", DUE)
    queues.submit("alice", *names)
    queues.schedule.dispatch(DUE)
    for name in names:
        lease = queues.schedule.acquire(Stage.UPLOAD, name)
        assert lease is not None
        assert queues.schedule.release(lease, 0, has_started=False)
    queues.submit("zoe", "zoe-1")
    return queues


def in_queue(queues: FairQueues) -> int:
    return int(queues.broker.command("LLEN", Stage.UPLOAD.queue))


def test_large_work_that_tries_again_leaves_room_for_new_jobs(queues: FairQueues) -> None:
    room = in_queue(queues) + 10
    dispatched = [name for _, name in queues.schedule.dispatch(room)]
    assert "zoe-1" in dispatched
    assert owners(dispatched).count("alice") == 5
    room += 10
    # Without new jobs they have all of the room.
    assert owners([name for _, name in queues.schedule.dispatch(room)]).count("alice") >= 10


def test_new_jobs_get_some_of_the_room_that_comes_one_at_a_time(queues: FairQueues) -> None:
    first = in_queue(queues) + 1
    # Chance decides which of the two is next, so there are enough of each.
    dispatched = [
        name for room in range(first, first + 30) for _, name in queues.schedule.dispatch(room)
    ]
    assert len(dispatched) == 30
    assert "zoe-1" in dispatched
