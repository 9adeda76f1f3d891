"""A job that a list of several pages lacks may have slipped from one page to another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from producer.backend import keys
from producer.backend.running import RunningJobs
from producer.contract.job import JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import FLEET, Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import acquired_work, worker_of
from worker.runtime.context import Context
from worker.stages import poll as polling

A_PAGE = 100


def run(stack: Stack, name: str) -> None:
    """Have a job run that Transcribe does not know."""
    request = TranscriptionRequest(audio=f"/audio/{name}.wav", name=name)
    list(stack.store.create([(name, request)], deadline=3600, at_once=False))
    stack.broker.command("HSET", keys.JOB(name), "state", JobState.TRANSCRIBING)
    stack.broker.command("ZADD", str(keys.RUNNING), stack.now(), name)


def others_run(stack: Stack, number: int) -> None:
    """Fill the account's list."""
    stack.aws("s3").upload_file(str(stack.sample("silence.wav")), BUCKET, "theirs.wav")
    for each in range(number):
        stack.aws("transcribe").start_transcription_job(
            TranscriptionJobName=f"theirs-{each}",
            Media={"MediaFileUri": f"s3://{BUCKET}/theirs.wav"},
            LanguageCode="en-US",
        )


def ended(worker: Context, stack: Stack) -> list[str]:
    """The jobs that one poll finds ended by the list."""
    stack.broker.command("ZADD", keys.SCHEDULE("poll"), stack.now(), FLEET)
    poll = acquired_work(worker, Stage.POLL, FLEET)
    snapshot = replace(worker.running.snapshot("5"), is_shared=True)
    found = [job.id for job, _ in polling.ended_jobs(poll, snapshot)]
    poll.snooze(0)
    return found


def asked(stack: Stack) -> int:
    calls = stack.account()["calls"].get("GetTranscriptionJob")
    return int(calls["count"]) if calls else 0


def test_on_several_pages_a_job_is_asked_for_once_it_was_missing_twice(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(stack, monkeypatch, "fixed:600")
    others_run(stack, A_PAGE + 1)
    run(stack, "first")
    assert ended(worker, stack) == []
    run(stack, "second")
    assert asked(stack) == 0
    assert ended(worker, stack) == ["first"]
    assert asked(stack) == 1
    stack.broker.command("ZREM", str(keys.RUNNING), "first")
    assert ended(worker, stack) == ["second"]
    assert asked(stack) == 2


def test_on_one_page_nothing_slips(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = worker_of(stack, monkeypatch, "fixed:600")
    others_run(stack, 3)
    run(stack, "first")
    assert ended(worker, stack) == ["first"]


def test_only_what_the_last_poll_missed_is_remembered(stack: Stack) -> None:
    running = RunningJobs(stack.broker)
    assert running.missed_before(["one", "two"]) == set()
    assert running.missed_before(["two", "three"]) == {"one", "two"}
    assert running.missed_before([]) == {"two", "three"}
    assert running.missed_before([]) == set()
