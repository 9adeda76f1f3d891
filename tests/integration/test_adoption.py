"""Adoption against a real Redis: one question at a time, no record replaced, nothing unfenced."""

from __future__ import annotations

import pytest

from producer.backend.job_store import ANY_AUDIO
from producer.backend.recoveries import Became, Found
from producer.backend.schedule import FLEET, Hold, Schedule
from producer.contract.job import JobState, Stage
from producer.errors import AdoptionFailed, JobExists, WaitTimeout
from tests.support.stack import LEASE, Stack

pytestmark = pytest.mark.redis

FOUND = Found(id="talk", became=Became.TRANSCRIBING)


@pytest.fixture
def schedule(stack: Stack) -> Schedule:
    return Schedule(stack.broker, LEASE)


def fields(audio: str = "/audio/a.wav", rebuilt: str | None = None) -> dict[str, str | int]:
    """Of a record that an adoption makes."""
    request = f'{{"audio": "{audio}", "name": "talk"}}'
    return {"request": request, "attempt": 2, "priority": 5, "rebuilt": rebuilt or audio}


def begin(stack: Stack, schedule: Schedule) -> Hold:
    """Ask for an adoption and take it up, as a task does."""
    stack.client.adoptions.ask()
    hold = schedule.begin(Stage.ADOPT, FLEET)
    assert hold is not None
    return hold


def test_one_question_is_answered_at_a_time(stack: Stack, schedule: Schedule) -> None:
    adoptions = stack.client.adoptions
    first = adoptions.ask(["b", "a", "b"])
    assert (first.names, first.dry_run) == (("a", "b"), False)
    assert adoptions.ask(["a", "b"]).id == first.id
    for names, dry_run in ((["a"], False), (["a", "b"], True), ([], False)):
        with pytest.raises(AdoptionFailed, match="under way"):
            adoptions.ask(names, dry_run=dry_run)
    with pytest.raises(WaitTimeout, match="goes on"):
        adoptions.wait(first.id, 0)
    hold = schedule.begin(Stage.ADOPT, FLEET)
    assert hold is not None
    adoptions.held_up("AWS could not be reached.")
    told: list[str] = []
    with pytest.raises(WaitTimeout):
        adoptions.wait(first.id, 0.5, told.append)
    assert told == ["AWS could not be reached."]
    assert adoptions.note(hold, FOUND) == "noted"
    assert adoptions.end(hold, known=3, foreign=4)
    ended = adoptions.wait(first.id)
    assert (ended.known, ended.foreign) == (3, 4)
    assert adoptions.found() == [FOUND]
    # The next one begins anew.
    second = adoptions.ask([])
    assert adoptions.found() == []
    with pytest.raises(AdoptionFailed, match="knows no more"):
        adoptions.wait(first.id)
    assert adoptions.get(second.id).finished_at is None


def test_what_was_recorded_meanwhile_is_left_alone(stack: Stack, schedule: Schedule) -> None:
    hold = begin(stack, schedule)
    mine = stack.client.submit("/audio/mine.wav", name="talk")
    assert stack.client.adoptions.note(hold, FOUND, deadline=60, fields=fields()) == "known"
    assert stack.client.get("talk") == mine
    assert stack.running_ids() == []
    assert stack.client.adoptions.found() == []


def test_who_lost_the_hold_records_nothing(stack: Stack, schedule: Schedule) -> None:
    hold = begin(stack, schedule)
    assert schedule.put_off(hold, 0)
    later = schedule.begin(Stage.ADOPT, FLEET)
    assert later is not None
    adoptions = stack.client.adoptions
    assert adoptions.note(hold, FOUND, deadline=60, fields=fields()) == "lost"
    assert not adoptions.end(hold)
    assert stack.client.list() == []
    assert adoptions.note(later, FOUND, deadline=60, fields=fields()) == "noted"
    job = stack.client.get("talk")
    assert (job.state, job.attempt) == (JobState.TRANSCRIBING, 2)
    assert job.deadline_at is not None
    assert stack.running_ids() == ["talk"]


@pytest.mark.parametrize(
    ("rebuilt", "audio", "taken"),
    [
        ("/audio/a.wav", "/audio/a.wav", True),
        ("/audio/a.wav", "/audio/b.wav", False),
        (ANY_AUDIO, "/audio/b.wav", True),
    ],
)
def test_the_owner_may_correct_the_request_once(
    stack: Stack, schedule: Schedule, rebuilt: str, audio: str, *, taken: bool
) -> None:
    hold = begin(stack, schedule)
    stack.client.adoptions.note(hold, FOUND, deadline=60, fields=fields(rebuilt=rebuilt))
    if not taken:
        with pytest.raises(JobExists):
            stack.client.submit(audio, name="talk", formats=["srt"])
        return
    job = stack.client.submit(audio, name="talk", formats=["srt"])
    assert (job.state, job.attempt) == (JobState.TRANSCRIBING, 2)
    assert (job.request.audio, job.request.formats) == (audio, ("srt",))
    with pytest.raises(JobExists):
        stack.client.submit(audio, name="talk", formats=["vtt"])
    assert stack.broker.command("LLEN", Stage.UPLOAD.queue) == 0
