"""A document counts as a result only if it names the attempt's job, and is no older than that."""

from __future__ import annotations

import json

import pytest

from producer.backend import keys
from producer.backend.recoveries import Outcome
from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import acquired_work, collect_once, poll_once, started, worker_of
from tests.support.waiting import until
from worker.errors import Transient
from worker.recovery.scan import Scan
from worker.runtime.context import Context
from worker.stages import collect

NAME = "call-18"
KEY = f"transcribe-queue/{NAME}/{NAME}.json"


def replaced(stack: Stack, *, named: str = NAME, size: int = 0) -> None:
    """Put another document where the result is."""
    results = {"transcripts": [{"transcript": "planted"}], "items": [], "filler": "x" * size}
    body = json.dumps({"jobName": named, "results": results}).encode()
    stack.aws("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body)


def seen(worker: Context) -> None:
    """Let a stale list lack the job, and a worker look for its result."""
    assert poll_once(worker, lacks=[NAME]) == []
    collect_once(worker, NAME)


@pytest.mark.parametrize("size", [0, 100_000])
def test_while_a_job_runs_a_planted_document_does_not_end_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    worker = worker_of(stack, monkeypatch, "fixed:600")
    started(worker, stack, NAME)
    replaced(stack, named="evil", size=size)
    seen(worker)
    assert stack.client.get(NAME).state is JobState.TRANSCRIBING
    assert stack.running_ids() == [NAME]


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_result_is_known_by_its_head_however_large_it_is(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    worker = worker_of(stack, monkeypatch, "fixed:600")
    started(worker, stack, NAME)
    replaced(stack, size=size)
    seen(worker)
    assert stack.client.get(NAME).state is JobState.COMPLETED
    assert stack.calls("GetTranscriptionJob") == 0


def collected(worker: Context, stack: Stack) -> None:
    """Bring a job to where its result is to be fetched."""
    started(worker, stack, NAME)
    until(lambda: KEY in stack.objects())
    until(lambda: poll_once(worker, lists=False))


@pytest.mark.parametrize("named", ["evil", "", f"{NAME}--try-2", "call-1"])
def test_another_jobs_document_is_not_collected(stack: Stack, worker: Context, named: str) -> None:
    collected(worker, stack)
    replaced(stack, named=named)
    with pytest.raises(Transient, match="is not the result of call-18: it is of") as caught:
        collect.fetch(acquired_work(worker, Stage.COLLECT, NAME))
    assert caught.value.code == "ResultMissing"


def test_a_document_from_before_the_start_is_not_collected(stack: Stack, worker: Context) -> None:
    collected(worker, stack)
    started_at = stack.client.get(NAME).started_at
    assert started_at is not None
    stack.broker.command("HSET", keys.JOB(NAME), "started_at", started_at.timestamp() + 60)
    with pytest.raises(Transient, match="is not the result of call-18"):
        collect.fetch(acquired_work(worker, Stage.COLLECT, NAME))


def test_a_job_that_redis_forgot_does_not_get_a_planted_document(
    stack: Stack, worker: Context
) -> None:
    started(worker, stack, NAME)
    until(lambda: KEY in stack.objects())
    stack.aws("transcribe").delete_transcription_job(TranscriptionJobName=NAME)
    stack.broker.command("FLUSHALL")
    for named, outcome in (("evil", Outcome.NEVER_STARTED), (NAME, Outcome.COLLECTING)):
        replaced(stack, named=named)
        asked_for = stack.client.recoveries.ask([NAME], dry_run=True)
        work = acquired_work(worker, Stage.RECOVER, FLEET)
        Scan(work, asked_for).run(NAME)
        assert [each.outcome for each in stack.client.recoveries.found()] == [outcome]
        worker.recoveries.end(work.lease)
