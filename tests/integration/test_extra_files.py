"""Fetching what Transcribe wrote extra a document, at moments that seldom come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import acquired_work, end_transcription, expire_lease, worker_of
from tests.support.waiting import until
from worker.errors import Transient
from worker.leases import LeaseLost
from worker.runtime.context import Context
from worker.runtime.work import Work
from worker.stages import collect, extra_files
from worker.stages import start as starting
from worker.stages import upload as uploading

SUBTITLES: dict[str, Any] = {"subtitles": {"formats": ["srt", "vtt"]}}
BOTH: dict[str, Any] = {"content_redaction": {"redaction_output": "redacted_and_unredacted"}}


def at_transcribe(worker: Context, stack: Stack, **options: Any) -> None:
    """Bring a job to where it is collected, whether Transcribe has ended it or not."""
    stack.client.submit(stack.sample("silence.wav"), name="one", **options)
    upload = acquired_work(worker, Stage.UPLOAD, "one")
    upload.advance(JobState.READY, media_uri=uploading.upload_audio(upload).uri)
    until(lambda: "one" in worker.admission.capacity.admit())
    start = acquired_work(worker, Stage.START, "one")
    end_transcription(worker, start, **starting.start_or_adopt(start))


def ended(worker: Context, work: Work) -> None:
    until(lambda: worker.storage.head(S3Uri(work.job.result_uri or "")))


def test_what_is_missing_while_the_job_runs_is_awaited(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(stack, monkeypatch)
    stack.fault(kind="stuck")
    at_transcribe(worker, stack, **SUBTITLES)
    work = acquired_work(worker, Stage.COLLECT, "one")
    with pytest.raises(Transient, match="still writing"):
        extra_files.fetch_extra_files(work, collect.reserved(work))
    stack.clear_faults()
    ended(worker, work)
    expire_lease(work)
    work = acquired_work(worker, Stage.COLLECT, "one")
    extra = extra_files.fetch_extra_files(work, collect.reserved(work))
    assert set(extra.files) == {"aws.srt", "aws.vtt"}


def test_what_lay_there_before_the_job_was_started_is_not_fetched(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(stack, monkeypatch)
    at_transcribe(worker, stack, **SUBTITLES)
    # As if what is written now had been written an hour before the start.
    record = keys.JOB("one")
    moment = float(stack.broker.command("HGET", record, "started_at"))
    stack.broker.command("HSET", record, "started_at", moment + 3600)
    work = acquired_work(worker, Stage.COLLECT, "one")
    ended(worker, work)
    extra = extra_files.fetch_extra_files(work, collect.reserved(work))
    assert (extra.files, extra.not_written) == ({}, ("aws.srt", "aws.vtt"))


def test_an_unredacted_document_of_another_job_is_not_fetched(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(stack, monkeypatch)
    at_transcribe(worker, stack, **BOTH)
    work = acquired_work(worker, Stage.COLLECT, "one")
    ended(worker, work)
    planted = json.dumps({"jobName": "another", "results": {}}).encode()
    key = "transcribe-queue/one/one.json"
    stack.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=planted)
    with pytest.raises(Transient, match="not there yet"):
        extra_files.fetch_extra_files(work, collect.reserved(work))
    assert [path.name for path in stack.results.rglob("*.*")] == ["silence.job.json"]


def test_nothing_unredacted_stays_of_a_job_that_was_stopped(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = worker_of(stack, monkeypatch)
    at_transcribe(worker, stack, **BOTH, **SUBTITLES)
    work = acquired_work(worker, Stage.COLLECT, "one")
    ended(worker, work)
    transcript = collect.fetch(work)
    paths = collect.reserved(work)
    extra = extra_files.fetch_extra_files(work, paths)
    files = collect.keep(work, paths, transcript, extra.files)
    assert files["unredacted.json"].is_file()
    stack.client.cancel("one")
    with pytest.raises(LeaseLost), collect.discarded_if_stopped(work):
        collect.complete(work, files)
    assert list(stack.results.iterdir()) == []
