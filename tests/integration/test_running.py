"""What the poll learns of the running jobs before it asks AWS, from a real Redis."""

from __future__ import annotations

import pytest

from producer.backend import keys
from producer.backend.running import RunningJobs, Snapshot
from producer.backend.schedule import Schedule
from producer.contract.attempts import attempt_name
from producer.contract.job import JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import FLEET, Stage
from producer.contract.submission import Submission
from tests.support.fair_queues import FairQueues
from tests.support.stack import Stack
from tests.support.stages import offline_worker

pytestmark = pytest.mark.redis


@pytest.fixture
def schedule(stack: Stack) -> Schedule:
    return Schedule(stack.broker, 5.0)


def snapshot(stack: Stack) -> Snapshot:
    return RunningJobs(stack.broker).snapshot("5")


def run(stack: Stack, *names: str, ago: float = 0) -> None:
    """Have jobs run that were started so many seconds ago."""
    for name in names:
        request = TranscriptionRequest(audio=f"/audio/{name}.wav", name=name)
        list(stack.store.record([Submission.of(request)], deadline=3600, at_once=False))
        stack.broker.command("HSET", keys.JOB(name), "state", JobState.TRANSCRIBING)
        stack.broker.command("ZADD", str(keys.RUNNING), stack.now() - ago, name)
    stack.broker.command("ZADD", keys.SCHEDULE("poll"), stack.now(), FLEET)


def end(stack: Stack, schedule: Schedule, *names: str) -> None:
    """What the poll does with jobs that it sees ended."""
    assert (Stage.POLL, FLEET) in schedule.dispatch(room=10)
    poll = schedule.acquire(Stage.POLL, FLEET)
    assert poll is not None
    for name in names:
        assert stack.store.advance(poll, name, [JobState.TRANSCRIBING], JobState.COLLECTING)
    assert schedule.release(poll, 0)


def test_nothing_runs(stack: Stack) -> None:
    seen = snapshot(stack)
    assert (seen.jobs, seen.youngest, seen.quickest, seen.pages) == ({}, 0, 0, 1)


@pytest.mark.command("snapshot_running")
def test_running_jobs_are_known_by_their_names_at_aws_and_the_age_of_the_youngest(
    stack: Stack,
) -> None:
    run(stack, "old", ago=900)
    run(stack, "young", ago=30)
    stack.broker.command("HSET", keys.JOB("old"), "attempt", 3)
    seen = snapshot(stack)
    assert seen.jobs == {"old": "old--try-3", "young": "young"}
    assert seen.youngest == pytest.approx(30, abs=5)


def test_the_slot_of_a_job_whose_record_is_gone_is_free(stack: Stack) -> None:
    run(stack, "here", "gone")
    stack.broker.command("DEL", keys.JOB("gone"))
    assert snapshot(stack).jobs == {"here": "here"}
    assert stack.running_ids() == ["here"]


def test_the_quickest_of_the_last_fifty_is_known_once_twenty_have_ended(
    stack: Stack, schedule: Schedule
) -> None:
    names = [f"job-{number}" for number in range(19)]
    run(stack, *names, ago=200)
    run(stack, "quick", ago=100)
    end(stack, schedule, *names)
    assert snapshot(stack).quickest == 0
    end(stack, schedule, "quick")
    assert snapshot(stack).quickest == pytest.approx(100, abs=10)
    more = [f"more-{number}" for number in range(50)]
    run(stack, *more, ago=300)
    end(stack, schedule, *more)
    assert snapshot(stack).quickest == pytest.approx(300, abs=10)


def test_how_long_the_list_was_is_remembered(stack: Stack) -> None:
    RunningJobs(stack.broker).listed(7)
    assert snapshot(stack).pages == 7


def test_thousands_that_run_are_seen(stack: Stack) -> None:
    names = [f"job-{number}" for number in range(5000)]
    stack.broker.commands(("HSET", keys.JOB(name), "attempt", 1) for name in names)
    stack.broker.command("ZADD", str(keys.RUNNING), *(w for name in names for w in (1, name)))
    assert len(snapshot(stack).jobs) == 5000


def poll_due_in(stack: Stack) -> float:
    due = stack.broker.command("ZSCORE", keys.SCHEDULE("poll"), FLEET)
    return float(due) - stack.now()


def start(stack: Stack, schedule: Schedule, name: str) -> None:
    """What a start does with a job that Transcribe has accepted."""
    request = TranscriptionRequest(audio=f"/audio/{name}.wav", name=name)
    list(stack.store.record([Submission.of(request)], deadline=3600, at_once=False))
    assert (Stage.UPLOAD, name) in schedule.dispatch(room=10)
    lease = schedule.acquire(Stage.UPLOAD, name)
    assert lease is not None
    assert stack.store.advance(lease, name, [JobState.UPLOADING], JobState.READY)
    assert FairQueues(stack.broker).admit(1) == [name]
    lease = schedule.acquire(Stage.START, name)
    assert lease is not None
    assert stack.store.advance(lease, name, [JobState.STARTING], JobState.TRANSCRIBING)


def test_a_job_that_starts_while_others_run_is_polled_soon(
    stack: Stack, schedule: Schedule
) -> None:
    run(stack, "old", ago=900)
    assert (Stage.POLL, FLEET) in schedule.dispatch(room=10)
    poll = schedule.acquire(Stage.POLL, FLEET)
    assert poll is not None
    # While a worker polls the others:
    start(stack, schedule, "meanwhile")
    assert schedule.release(poll, 15)
    assert poll_due_in(stack) < 2
    # And after that:
    stack.broker.command("ZADD", keys.SCHEDULE("poll"), stack.now() + 15, FLEET)
    start(stack, schedule, "after")
    assert poll_due_in(stack) < 2


def test_where_all_jobs_run_long_no_start_brings_the_poll_forward(
    stack: Stack, schedule: Schedule
) -> None:
    names = [f"job-{number}" for number in range(20)]
    run(stack, "old", *names, ago=900)
    end(stack, schedule, *names)
    stack.broker.command("ZADD", keys.SCHEDULE("poll"), stack.now() + 15, FLEET)
    start(stack, schedule, "after")
    assert poll_due_in(stack) > 10


@pytest.mark.command("record_other_jobs")
def test_a_further_attempt_has_no_slot_of_others(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = offline_worker(stack, monkeypatch)
    run(stack, "v1.2", "talk")
    ours = [attempt_name(name, attempt) for name in ("v1.2", "talk") for attempt in (1, 2, 12)]
    assert worker.admission.saw_running(ours) == 0
    assert worker.admission.saw_running([*ours, "v1", "talk.2", attempt_name("theirs", 2)]) == 3
