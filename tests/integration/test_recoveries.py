"""Recovery against a real Redis: one question at a time, no record replaced, nothing unfenced."""

from __future__ import annotations

import pytest

from producer.backend.recoveries import FoundJob, Outcome
from producer.backend.schedule import Lease, Schedule
from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from producer.contract.submission import ANY_AUDIO
from producer.errors import JobExists, RecoveryFailed, WaitTimeout
from tests.support.stack import LEASE, Stack

pytestmark = pytest.mark.redis

FOUND = FoundJob(id="talk", outcome=Outcome.TRANSCRIBING)


@pytest.fixture
def schedule(stack: Stack) -> Schedule:
    return Schedule(stack.broker, LEASE)


def fields(audio: str = "/audio/a.wav", rebuilt: str | None = None) -> dict[str, str | int]:
    """Of a record that a recovery makes."""
    request = f'{{"audio": "{audio}", "name": "talk"}}'
    return {"request": request, "attempt": 2, "priority": 5, "rebuilt": rebuilt or audio}


def acquired(stack: Stack, schedule: Schedule) -> Lease:
    """Ask for a recovery and acquire its lease, as a task does."""
    stack.client.recoveries.ask()
    lease = schedule.acquire(Stage.RECOVER, FLEET)
    assert lease is not None
    return lease


@pytest.mark.command("ask_recovery", "end_recovery")
def test_one_question_is_answered_at_a_time(stack: Stack, schedule: Schedule) -> None:
    recoveries = stack.client.recoveries
    first = recoveries.ask(["b", "a", "b"])
    assert (first.names, first.dry_run) == (("a", "b"), False)
    assert recoveries.ask(["a", "b"]).id == first.id
    for names, dry_run in ((["a"], False), (["a", "b"], True), ([], False)):
        with pytest.raises(RecoveryFailed, match="under way"):
            recoveries.ask(names, dry_run=dry_run)
    with pytest.raises(WaitTimeout, match="goes on"):
        recoveries.wait(first.id, 0)
    lease = schedule.acquire(Stage.RECOVER, FLEET)
    assert lease is not None
    recoveries.note_trouble("AWS could not be reached.")
    reported: list[str] = []
    with pytest.raises(WaitTimeout):
        recoveries.wait(first.id, 0.5, reported.append)
    assert reported == ["AWS could not be reached."]
    assert recoveries.note(lease, FOUND) == "noted"
    assert recoveries.end(lease, known=3, foreign=4)
    ended = recoveries.wait(first.id)
    assert (ended.known, ended.foreign) == (3, 4)
    assert recoveries.found() == [FOUND]
    # The next one starts anew.
    second = recoveries.ask([])
    assert recoveries.found() == []
    with pytest.raises(RecoveryFailed, match="knows no more"):
        recoveries.wait(first.id)
    assert recoveries.get(second.id).finished_at is None


def test_what_was_recorded_meanwhile_is_left_alone(stack: Stack, schedule: Schedule) -> None:
    lease = acquired(stack, schedule)
    mine = stack.client.submit("/audio/mine.wav", name="talk")
    assert stack.client.recoveries.note(lease, FOUND, deadline=60, fields=fields()) == "known"
    assert stack.client.get("talk") == mine
    assert stack.running_ids() == []
    assert stack.client.recoveries.found() == []


@pytest.mark.command("recover_job")
def test_a_worker_that_lost_its_lease_records_nothing(stack: Stack, schedule: Schedule) -> None:
    lease = acquired(stack, schedule)
    assert schedule.release(lease, 0)
    second = schedule.acquire(Stage.RECOVER, FLEET)
    assert second is not None
    recoveries = stack.client.recoveries
    assert recoveries.note(lease, FOUND, deadline=60, fields=fields()) == "lost"
    assert not recoveries.end(lease)
    assert stack.client.list() == []
    assert recoveries.note(second, FOUND, deadline=60, fields=fields()) == "noted"
    job = stack.client.get("talk")
    assert (job.state, job.attempt) == (JobState.TRANSCRIBING, 2)
    assert job.deadline_at is not None
    assert stack.running_ids() == ["talk"]


@pytest.mark.parametrize(
    ("rebuilt", "audio", "accepted"),
    [
        ("/audio/a.wav", "/audio/a.wav", True),
        ("/audio/a.wav", "/audio/b.wav", False),
        (ANY_AUDIO, "/audio/b.wav", True),
    ],
)
def test_the_owner_may_correct_the_request_once(
    stack: Stack, schedule: Schedule, rebuilt: str, audio: str, *, accepted: bool
) -> None:
    lease = acquired(stack, schedule)
    stack.client.recoveries.note(lease, FOUND, deadline=60, fields=fields(rebuilt=rebuilt))
    if not accepted:
        with pytest.raises(JobExists):
            stack.client.submit(audio, name="talk", formats=["srt"])
        return
    job = stack.client.submit(audio, name="talk", formats=["srt"])
    assert (job.state, job.attempt) == (JobState.TRANSCRIBING, 2)
    assert (job.request.audio, job.request.formats) == (audio, ("srt",))
    with pytest.raises(JobExists):
        stack.client.submit(audio, name="talk", formats=["vtt"])
    assert stack.broker.command("LLEN", Stage.UPLOAD.queue) == 0
