"""Beside a key that a request names, only what is the job's own is deleted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import acquired_work, end_transcription, expire_lease
from tests.support.waiting import until
from worker.errors import Snooze, Transient
from worker.leases import LeaseLost
from worker.runtime.context import Context
from worker.runtime.work import Work
from worker.stages import cleanup as cleaning
from worker.stages import ownership
from worker.stages import start as starting
from worker.stages import upload as uploading

KEY = "calls/talk.wav"


def upload(worker: Context, stack: Stack, name: str = "one", **options: Any) -> Work:
    stack.client.submit(stack.sample("silence.wav"), name=name, key=KEY, **options)
    return acquired_work(worker, Stage.UPLOAD, name)


def collecting(worker: Context, stack: Stack, **options: Any) -> Work:
    """The work of a collect, with all objects of its job beside the key."""
    work = upload(worker, stack, **options)
    work.advance(JobState.READY, media_uri=uploading.upload_audio(work).uri)
    until(lambda: "one" in worker.admission.capacity.admit())
    start = acquired_work(worker, Stage.START, "one")
    fields = starting.start_or_adopt(start)
    until(lambda: f"{KEY}.json" in stack.objects())
    end_transcription(worker, start, **fields)
    return acquired_work(worker, Stage.COLLECT, "one")


def transcribed(worker: Context, stack: Stack, **options: Any) -> Work:
    """The work of a cleanup, with all objects of its job beside the key."""
    collect = collecting(worker, stack, **options)
    files = {"json": "", "aws.srt": "", "aws.vtt": ""}
    collect.advance(JobState.COMPLETED, files=json.dumps(files))
    return acquired_work(worker, Stage.CLEANUP, "one")


def put(stack: Stack, key: str, body: bytes) -> None:
    stack.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def test_a_job_whose_recording_is_still_written_keeps_no_key_from_others(
    stack: Stack, worker: Context
) -> None:
    waiting, ready = upload(worker, stack), upload(worker, stack, "two")
    worker.settings = worker.settings.model_copy(update={"quiet_period": 3600.0})
    with pytest.raises(Snooze):
        uploading.upload_audio(waiting)
    worker.settings = worker.settings.model_copy(update={"quiet_period": 0.0})
    assert uploading.upload_audio(ready).uri == f"s3://{BUCKET}/{KEY}"


@pytest.mark.parametrize(
    "body",
    [b"theirs", json.dumps({"jobName": "two"}).encode()],
    ids=["bytes", "transcript"],
)
def test_a_document_of_others_that_has_come_since_is_not_deleted(
    stack: Stack, worker: Context, body: bytes
) -> None:
    cleanup = transcribed(worker, stack, subtitles={"formats": ["srt"]})
    put(stack, f"{KEY}.json", body)
    cleaning.delete_results(cleanup)
    # Nothing shows any more whose the subtitles are.
    assert stack.objects() == [KEY, f"{KEY}.json", f"{KEY}.srt"]


def test_subtitles_of_others_that_have_come_since_are_not_deleted(
    stack: Stack, worker: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire_lease(transcribed(worker, stack, subtitles={"formats": ["srt", "vtt"]}))
    put(stack, "calls/.write_access_check_file.temp", b"theirs")
    monkeypatch.setattr(ownership, "_TOGETHER", timedelta(seconds=3))
    ended_at = stack.now()
    until(lambda: stack.now() > ended_at + 6)
    put(stack, f"{KEY}.srt", b"theirs")
    cleaning.delete_results(acquired_work(worker, Stage.CLEANUP, "one"))
    left = ["calls/.write_access_check_file.temp", KEY, f"{KEY}.srt"]
    assert stack.objects() == left


def test_a_cleanup_that_breaks_off_can_be_done_again(stack: Stack, worker: Context) -> None:
    cleanup = transcribed(worker, stack, subtitles={"formats": ["srt"]})
    stack.fault(operation="DeleteObject", kind="access_denied", times=1, match=f"{KEY}.srt")
    with pytest.raises(Exception, match="may not call DeleteObject"):
        cleaning.delete_results(cleanup)
    cleaning.delete_results(cleanup)
    assert stack.objects() == [KEY]


def test_audio_that_another_job_uses_by_now_is_not_deleted(stack: Stack, worker: Context) -> None:
    collect = collecting(worker, stack)
    collect.fail(collect.job, "ResultMissing", "The result is not there.")
    # The other finds the same bytes at the key, so it uploads nothing.
    uploading.upload_audio(upload(worker, stack, "two"))
    stack.client.retry("one")
    acquired_work(worker, Stage.COLLECT, "one").advance(JobState.COMPLETED)
    with pytest.raises(Transient, match="in use by job two"):
        cleaning.Cleanup().run(acquired_work(worker, Stage.CLEANUP, "one"))
    assert KEY in stack.objects()


def test_audio_of_others_at_the_key_is_not_deleted(stack: Stack, worker: Context) -> None:
    body = stack.sample("silence.wav").read_bytes()
    put(stack, KEY, body)
    late = upload(worker, stack)
    uri = uploading.upload_audio(late)
    stack.client.cancel("one")
    with pytest.raises(LeaseLost):
        uploading.advance_uploaded(late, uri)
    assert stack.objects() == [KEY]


def test_a_start_whose_answer_was_lost_finds_its_own_objects(stack: Stack, worker: Context) -> None:
    work = upload(worker, stack, subtitles={"formats": ["srt"]})
    work.advance(JobState.READY, media_uri=uploading.upload_audio(work).uri)
    until(lambda: "one" in worker.admission.capacity.admit())
    start = acquired_work(worker, Stage.START, "one")
    starting.start_or_adopt(start)
    until(lambda: f"{KEY}.json" in stack.objects())
    # As if the subtitles alone were there yet.
    stack.aws("s3").delete_object(Bucket=BUCKET, Key=f"{KEY}.json")
    fields = starting.start_or_adopt(start)
    assert fields["adopted"] == ""
    assert stack.account()["accepted"] == 1
