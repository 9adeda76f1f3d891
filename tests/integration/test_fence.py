"""A worker that was paused in the middle of a stage, and wakes up when its lease is long over."""

from __future__ import annotations

import pytest
from holding import taken_up, uploaded, worker_of
from stack import LEASE, Stack, until

from producer.contract import Stage
from producer.schedule import clock
from worker import cleaning, starting
from worker.context import Context
from worker.leases import LeaseLost
from worker.stages import Work


@pytest.fixture
def worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A worker's context without its threads, so that nothing renews its leases."""
    return worker_of(stack, monkeypatch)


def paused(work: Work) -> None:
    """As by SIGSTOP, for a little longer than the lease."""
    until(lambda: clock() > work.hold.until, LEASE + 10)


def test_a_start_that_wakes_up_late_is_not_sent(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    assert worker.admission.admit() == ["one"]
    late = taken_up(worker, Stage.START, "one")
    paused(late)
    with pytest.raises(LeaseLost):
        starting.start_job(late)
    assert stack.account()["accepted"] == 0
    starting.start_job(taken_up(worker, Stage.START, "one"))
    assert stack.account()["accepted"] == 1


def test_a_cleanup_that_wakes_up_late_deletes_nothing(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    stack.client.cancel("one")
    late = taken_up(worker, Stage.CLEANUP, "one")
    paused(late)
    # It may be a later attempt's audio by now.
    with pytest.raises(LeaseLost):
        cleaning.delete_audio(late)
    (key,) = stack.objects()
    assert key.startswith("transcribe-queue/one/audio")
    cleaning.delete_audio(taken_up(worker, Stage.CLEANUP, "one"))
    assert stack.objects() == []
