"""Real recordings through real Redis, Celery, boto3, S3 and recognition."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from typing import Any

import pytest

from producer.backend import keys
from producer.backend.schedule import SEEN
from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from producer.errors import JobFailed
from tests.support.stack import BUCKET, SAMPLES, Stack
from tests.support.waiting import DEADLINE, until
from worker.stamp import Stamp


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def word_errors(expected: list[str], heard: list[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(expected, 1):
        diagonal, row[0] = row[0], number
        for column, other in enumerate(heard, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]


def test_word_errors_are_counted() -> None:
    assert word_errors(words("a b c d"), words("a x c")) == 2


def test_the_samples_are_recognised(pipeline: Stack) -> None:
    recordings = sorted(
        path for path in SAMPLES.iterdir() if path.suffix in {".wav", ".m4a", ".mp3"}
    )
    assert len(recordings) >= 3
    ids = [
        pipeline.client.submit(pipeline.sample(path.name), formats=("txt", "srt", "vtt")).id
        for path in recordings
    ]
    jobs = pipeline.client.wait(ids, timeout=DEADLINE)
    errors = total = 0
    for path, job_id in zip(recordings, ids, strict=True):
        assert jobs[job_id].state is JobState.COMPLETED
        expected = words(path.with_suffix(".txt").read_text())
        transcript = pipeline.client.result(job_id)
        errors += word_errors(expected, words(transcript.text))
        total += len(expected)
        # Redis, disk and the service's document all say the same.
        files = jobs[job_id].files
        assert set(files) == {"job.json", "json", "txt", "srt", "vtt"}
        assert files["txt"].read_text() == pipeline.client.text(job_id) == transcript.render("txt")
        assert json.loads(files["json"].read_text())["jobName"] == job_id
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o640 for file in files.values())
        if expected:
            assert transcript.words[0].confidence is not None
    assert total > 50
    assert errors / total <= 0.15


def test_silence_is_a_success_with_no_words(pipeline: Stack) -> None:
    job = pipeline.client.submit(pipeline.sample("silence.wav"), name="nothing-said")
    assert pipeline.client.wait(job.id, timeout=DEADLINE)[job.id].state is JobState.COMPLETED
    assert pipeline.client.text(job.id) == ""
    assert pipeline.client.result(job.id).words == ()


def test_alternatives_with_confidence_are_reachable(pipeline: Stack) -> None:
    job = pipeline.client.submit(
        pipeline.sample("two-sentences.wav"), show_alternatives=True, max_alternatives=2
    )
    pipeline.client.wait(job.id, timeout=DEADLINE)
    first = pipeline.client.result(job.id).alternatives[0].alternatives[0]
    assert first.transcript
    assert first.confidence is not None


def test_an_object_on_s3_is_used_where_it_is_and_stays(pipeline: Stack) -> None:
    pipeline.aws("s3").upload_file(str(SAMPLES / "hello-world.m4a"), BUCKET, "theirs/talk.m4a")
    job = pipeline.client.submit(f"s3://{BUCKET}/theirs/talk.m4a", name="in-place", cleanup=True)
    ended = pipeline.client.wait(job.id, timeout=DEADLINE, cleaned=True)[job.id]
    assert ended.state is JobState.COMPLETED
    assert ended.cleaned_at is not None
    assert "hello" in pipeline.client.text(job.id).lower()
    assert "theirs/talk.m4a" in pipeline.objects()


def test_cleanup_removes_all_that_is_ours_and_nothing_else(pipeline: Stack) -> None:
    before = set(pipeline.objects())
    job = pipeline.client.submit(
        pipeline.sample("hello-world.m4a"),
        name="to-be-cleaned",
        cleanup=True,
        subtitles={"formats": ["srt", "vtt"]},
    )
    ended = pipeline.client.wait(job.id, timeout=DEADLINE, cleaned=True)[job.id]
    assert ended.cleaned_at is not None
    assert set(pipeline.objects()) == before
    left = pipeline.aws("transcribe").list_transcription_jobs(JobNameContains="to-be-cleaned")
    assert left["TranscriptionJobSummaries"] == []
    assert ended.files["txt"].read_text()


def test_another_language_fails_honestly_and_can_be_retried(pipeline: Stack) -> None:
    job = pipeline.client.submit(
        pipeline.sample("hello-world.m4a"), name="francais", language="fr-FR"
    )
    ended = pipeline.client.wait(job.id, timeout=DEADLINE)[job.id]
    assert ended.state is JobState.FAILED
    assert ended.error is not None
    assert "English" in ended.error.message
    with pytest.raises(JobFailed, match="English"):
        pipeline.client.result(job.id)
    pipeline.client.retry(job.id)
    again = pipeline.client.wait(job.id, timeout=DEADLINE)[job.id]
    assert (again.state, again.attempt) == (JobState.FAILED, 2)
    starts = [each["name"] for each in pipeline.account()["jobs"] if "francais" in each["name"]]
    assert starts == ["francais", "francais--try-2"]


def test_a_started_job_with_our_media_is_adopted(pipeline: Stack) -> None:
    pipeline.aws("s3").upload_file(str(SAMPLES / "hello-world.m4a"), BUCKET, "script/hello.m4a")
    pipeline.aws("transcribe").start_transcription_job(
        TranscriptionJobName="adopt-me",
        LanguageCode="en-US",
        Media={"MediaFileUri": f"s3://{BUCKET}/script/hello.m4a"},
        OutputBucketName=BUCKET,
        # Not where we would have put it.
        OutputKey="script/other-place.json",
    )
    job = pipeline.client.submit(
        pipeline.sample("hello-world.m4a"), name="adopt-me", key="script/hello.m4a", cleanup=True
    )
    ended = pipeline.client.wait(job.id, timeout=DEADLINE, cleaned=True)[job.id]
    assert ended.state is JobState.COMPLETED
    assert "hello" in pipeline.client.text(job.id).lower()
    starts = [each for each in pipeline.account()["jobs"] if each["name"] == "adopt-me"]
    assert len(starts) == 1
    # The audio was there before us: it stays.
    assert "script/hello.m4a" in pipeline.objects()


def test_a_job_of_others_under_our_name_is_left_alone(pipeline: Stack) -> None:
    pipeline.aws("s3").upload_file(str(SAMPLES / "silence.wav"), BUCKET, "others/audio.wav")
    pipeline.aws("transcribe").start_transcription_job(
        TranscriptionJobName="taken-name",
        LanguageCode="en-US",
        Media={"MediaFileUri": f"s3://{BUCKET}/others/audio.wav"},
        OutputBucketName=BUCKET,
        OutputKey="others/audio.json",
    )
    job = pipeline.client.submit(
        pipeline.sample("hello-world.m4a"), name="taken-name", cleanup=True
    )
    ended = pipeline.client.wait(job.id, timeout=DEADLINE)[job.id]
    assert ended.state is JobState.FAILED
    assert ended.error is not None
    assert ended.error.code == "NameTaken"
    theirs = pipeline.aws("transcribe").get_transcription_job(TranscriptionJobName="taken-name")
    assert theirs["TranscriptionJob"]["Media"]["MediaFileUri"].endswith("others/audio.wav")


def test_a_named_key_with_other_bytes_is_not_overwritten(pipeline: Stack) -> None:
    pipeline.aws("s3").put_object(Bucket=BUCKET, Key="named/key.m4a", Body=b"somebody's")
    job = pipeline.client.submit(pipeline.sample("hello-world.m4a"), key="named/key.m4a")
    ended = pipeline.client.wait(job.id, timeout=DEADLINE)[job.id]
    assert ended.state is JobState.FAILED
    assert ended.error is not None
    assert ended.error.code == "KeyTaken"
    body = pipeline.aws("s3").get_object(Bucket=BUCKET, Key="named/key.m4a")["Body"].read()
    assert body == b"somebody's"


def test_every_log_line_of_a_job_has_its_id(pipeline: Stack) -> None:
    job = pipeline.client.submit(pipeline.sample("silence.wav"), name="in-the-log")
    pipeline.client.wait(job.id, timeout=DEADLINE)

    def lines() -> list[dict[str, Any]]:
        return [line for line in pipeline.log() if line.get("job_id") == "in-the-log"]

    def moves() -> list[str]:
        return [line["state"] for line in lines() if line["event"] == "job.moved"]

    # The record is written before its log line.
    until(lambda: "COMPLETED" in moves())
    assert moves() == ["READY", "TRANSCRIBING", "COLLECTING", "COMPLETED"]
    assert all(line["task"].startswith("transcription.") for line in lines())
    assert {line["attempt"] for line in lines() if "attempt" in line} == {1}
    # The poll is for all jobs at once: its lines name a job only where they are about one.
    polled = [line for line in pipeline.log() if line.get("task") == Stage.POLL.task]
    assert polled
    assert all(line["fleet"] == FLEET and line.get("job_id") != FLEET for line in polled)


def test_a_job_cancelled_while_it_runs_leaves_nothing(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.fault(kind="stuck")
    stack.start_worker()
    job = stack.client.submit(stack.sample("hello-world.m4a"), name="unwanted")
    stack.job_in(job.id, JobState.TRANSCRIBING)
    stack.client.cancel(job.id)
    stack.clear_faults()
    until(lambda: stack.client.get(job.id).cleaned_at, what="cleaned")
    assert stack.client.get(job.id).state is JobState.CANCELLED
    assert stack.objects() == []
    assert stack.aws("transcribe").list_transcription_jobs()["TranscriptionJobSummaries"] == []
    assert not list(stack.results.rglob("*"))


def test_a_job_for_an_earlier_object_of_the_key_is_not_adopted(pipeline: Stack) -> None:
    path = pipeline.sample("two-sentences.wav", "daily.wav")
    first = pipeline.client.submit(path, name="daily")
    assert pipeline.client.wait(first.id, timeout=DEADLINE)[first.id].state is JobState.COMPLETED
    # The record expires, and another recording comes under the same name.
    pipeline.broker.command("DEL", keys.JOB("daily"))
    finished = pipeline.account()["jobs"]
    started = next(each["created"] for each in finished if each["name"] == "daily")
    until(lambda: pipeline.now() > started + 4)
    pipeline.sample("silence.wav", "daily.wav")
    again = pipeline.client.submit(path, name="daily")
    ended = pipeline.client.wait(again.id, timeout=DEADLINE)[again.id]
    assert ended.error is not None
    assert (ended.state, ended.error.code) == (JobState.FAILED, "NameTaken")


def test_a_job_may_have_any_name_even_that_of_our_own_entries(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    stack.start_worker()
    names = ["fleet", "one", "two"]
    ids = [stack.client.submit(stack.sample("silence.wav"), name=name).id for name in names]
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}


def test_a_recording_from_the_future_is_transcribed_once_it_stood_still(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    stack.start_worker(quiet_period="1")
    recording = stack.sample("silence.wav")
    written = time.time() + 3600
    os.utime(recording, (written, written))
    job = stack.client.submit(recording, name="early")
    job = stack.job_in(job.id, JobState.COMPLETED)
    waited = job.times[JobState.READY] - job.times[JobState.UPLOADING]
    assert waited.total_seconds() >= 1
    # By what it saw, and not because the machine was slow.
    seen = stack.broker.command("HGET", keys.JOB(job.id), SEEN)
    with recording.open("rb") as file:
        assert seen == str(Stamp.of(file.fileno()))
