"""A result that the poll has read ahead is collected for that job, and for no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import acquired_work, started, worker_of
from tests.support.waiting import until
from worker.runtime.context import Context
from worker.settings import WorkerSettings
from worker.stages import collect as collecting
from worker.stages import poll as polling

NAME = "daily"
KEY = f"transcribe-queue/{NAME}/{NAME}.json"


@pytest.fixture
def worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return worker_of(stack, monkeypatch)


def transcribed(worker: Context, stack: Stack, text: str) -> None:
    """Bring a job to where its result, which says so, is in S3."""
    started(worker, stack, NAME)
    until(lambda: KEY in stack.objects())
    s3 = stack.aws("s3")
    document = json.loads(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read())
    document["results"]["transcripts"] = [{"transcript": text}]
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(document).encode())


def seen_ended(worker: Context, *, in_list: bool) -> None:
    """Let a worker see that it has ended, in the list or by asking for it by name."""

    def seen() -> bool:
        poll = acquired_work(worker, Stage.POLL, FLEET)
        snapshot = replace(worker.running.snapshot("5"), is_shared=in_list)
        ended = list(polling.ended_jobs(poll, snapshot))
        for job, outcome in ended:
            polling.advance_ended(poll, job, outcome)
        poll.snooze(0)
        return bool(ended)

    until(seen)


def collected(worker: Context) -> str:
    """Let a worker collect it; returns the text."""
    collect = acquired_work(worker, Stage.COLLECT, NAME)
    text = collecting.fetch(collect).render("txt")
    collect.advance(JobState.COMPLETED)
    return text


def gone(stack: Stack) -> None:
    """Its record has expired, and it was cleaned up."""
    stack.broker.command("DEL", keys.JOB(NAME))
    for key in stack.objects():
        stack.aws("s3").delete_object(Bucket=BUCKET, Key=key)
    stack.aws("transcribe").delete_transcription_job(TranscriptionJobName=NAME)


def test_what_was_read_of_an_earlier_job_of_the_name_is_not_used(
    stack: Stack, worker: Context
) -> None:
    other = Context(WorkerSettings.load())
    transcribed(worker, stack, "The first.")
    seen_ended(worker, in_list=True)
    assert collected(other).strip() == "The first."
    gone(stack)
    transcribed(other, stack, "The second.")
    seen_ended(other, in_list=False)
    assert collected(worker).strip() == "The second."


def test_what_was_read_is_collected_without_another_call(stack: Stack, worker: Context) -> None:
    transcribed(worker, stack, "The first.")
    seen_ended(worker, in_list=True)
    stack.fault(operation="GetObject", kind="access_denied", times=None)
    assert collected(worker).strip() == "The first."
