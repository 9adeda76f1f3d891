"""The turn to call Amazon Transcribe, against a real Redis and endpoint."""

from __future__ import annotations

from typing import get_args

import pytest
from holding import started, taken_up, uploaded, worker_of
from stack import Stack

from producer.contract import JobState, Stage
from producer.schedule import FLEET
from producer.store import PREFIX
from worker import cleaning, polling, starting
from worker.admission import Operation
from worker.aws import UNREACHABLE
from worker.context import Context
from worker.errors import NotYet, Transient

#: Calls may be under way for so much longer than others, in seconds, without breaking a quota.
_JITTER, _MORE_JITTER = 0.04, 0.17
_FAR = 1000.0


@pytest.fixture
def worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return worker_of(stack, monkeypatch)


def turns(stack: Stack, worker: Context, operation: Operation, number: int) -> list[float]:
    """The times of the next turns but the very first, by Redis's clock."""

    def next_turn() -> float:
        assert worker.admission.take(operation, _FAR) < _FAR
        return float(stack.broker.command("GET", f"{PREFIX}free:{operation}"))

    return [next_turn() for _ in range(number)]


@pytest.mark.parametrize("operation", get_args(Operation))
def test_in_no_second_are_there_more_turns_than_the_quota_has(
    stack: Stack, worker: Context, operation: Operation
) -> None:
    quotas = {"Start": 25, "Get": 30, "List": 5, "Delete": 5}
    quota = quotas[operation.partition("Transcription")[0]]
    times = turns(stack, worker, operation, 10 * quota)
    # However much longer one call is under way than another.
    assert all(times[n + quota] - times[n] > 1 + _JITTER for n in range(9 * quota))
    assert times[quota] - times[0] > 1 + _MORE_JITTER, "after a rest"
    warm = times[5 * quota :]
    assert (len(warm) - 1) / (warm[-1] - warm[0]) >= 0.959 * quota, "nearly all of it is used"


def test_a_turn_that_comes_too_late_is_not_taken(stack: Stack, worker: Context) -> None:
    turns(stack, worker, "DeleteTranscriptionJob", 50)
    free = stack.broker.command("GET", f"{PREFIX}free:DeleteTranscriptionJob")
    assert worker.admission.take("DeleteTranscriptionJob", 2) > 2
    assert stack.broker.command("GET", f"{PREFIX}free:DeleteTranscriptionJob") == free


def test_whoever_is_throttled_slows_all_calls_down(worker: Context) -> None:
    worker.admission.slow_down("GetTranscriptionJob", 30)
    assert 29 < worker.admission.take("GetTranscriptionJob", _FAR) <= 30
    assert worker.admission.take("ListTranscriptionJobs", 0) == 0


def test_a_start_is_not_sent_before_its_turn(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    assert worker.admission.admit() == ["one"]
    worker.admission.slow_down("StartTranscriptionJob", 30)
    with pytest.raises(NotYet) as told:
        starting.start_job(taken_up(worker, Stage.START, "one"))
    assert 25 < told.value.seconds <= 30
    assert stack.account()["accepted"] == 0


def test_nobody_asks_for_a_job_before_the_turn_to_ask(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    assert worker.admission.admit() == ["one"]
    start = taken_up(worker, Stage.START, "one")
    starting.start_job(start)
    worker.admission.slow_down("GetTranscriptionJob", 30)
    with pytest.raises(NotYet):
        starting.start_job(start)  # as after a lost answer: it finds the name taken
    stack.client.cancel("one")
    with pytest.raises(NotYet):
        starting.settle(start)
    with pytest.raises(NotYet):
        cleaning.delete_job(start)
    assert "GetTranscriptionJob" not in stack.account()["calls"]


def test_nothing_is_deleted_before_its_turn(stack: Stack, worker: Context) -> None:
    started(worker, stack)
    poll = taken_up(worker, Stage.POLL, FLEET)
    (job,) = [job for job in [stack.client.get("one")] if job.state is JobState.TRANSCRIBING]
    stack.client.cancel("one")
    assert stack.store.settle(poll.hold, job.id, "ended")
    cleanup = taken_up(worker, Stage.CLEANUP, "one")
    worker.admission.slow_down("DeleteTranscriptionJob", 30)
    with pytest.raises(NotYet):
        cleaning.delete_job(cleanup)
    assert "DeleteTranscriptionJob" not in stack.account()["calls"]


def test_the_poll_goes_to_another_when_aws_is_out_of_reach(stack: Stack, worker: Context) -> None:
    for name in ("one", "two", "three"):
        started(worker, stack, name)
    stack.fault(operation="GetTranscriptionJob", kind="timeout", match="two")
    with pytest.raises(Transient) as told:
        list(polling.ended_jobs(taken_up(worker, Stage.POLL, FLEET)))
    assert told.value.code == UNREACHABLE
