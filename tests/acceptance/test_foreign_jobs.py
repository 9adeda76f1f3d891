"""Transcribe jobs of other software, whose names and audio messages may name: they stay.

All requests come as raw messages, as any program that can write to Redis may send them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from producer.contract.job import Job, JobState
from producer.contract.stages import CONTROL_QUEUE
from producer.errors import JobNotFound
from tests.conftest import make_stack
from tests.support.messages import raw_message
from tests.support.stack import BUCKET, SAMPLES, Stack
from tests.support.waiting import DEADLINE, until

THEIR_AUDIO = f"s3://{BUCKET}/theirs/talk.wav"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One worker for all tests here; each uses names of its own."""
    with make_stack(tmp_path_factory.mktemp("jobs")) as stack:
        stack.start_aws("--recogniser", "fixed:0.3")
        upload(stack, "theirs/talk.wav")
        stack.start_worker(result_patience="3")
        yield stack


def upload(stack: Stack, key: str) -> None:
    stack.aws("s3").upload_file(str(SAMPLES / "silence.wav"), BUCKET, key)


def theirs(stack: Stack, name: str, audio: str = THEIR_AUDIO) -> None:
    """Have other software transcribe a recording, and see it done."""
    stack.aws("transcribe").start_transcription_job(
        TranscriptionJobName=name,
        LanguageCode="en-US",
        Media={"MediaFileUri": audio},
        OutputBucketName=BUCKET,
        OutputKey=f"theirs/{name}.json",
    )
    until(lambda: f"theirs/{name}.json" in stack.objects())


def pass_by(stack: Stack, seconds: float) -> None:
    """S3 and HTTP have times to the second."""
    started_at = stack.now()
    until(lambda: stack.now() > started_at + seconds)


def send(stack: Stack, **request: object) -> None:
    stack.broker.command("LPUSH", CONTROL_QUEUE, raw_message(request))


def ended(stack: Stack, name: str, *, cleaned: bool = True) -> Job:
    def record() -> Job | None:
        try:
            return stack.client.get(name)
        except JobNotFound:
            return None

    until(record, what=f"a record of {name}")
    job = stack.client.wait(name, timeout=DEADLINE)[name]
    if cleaned:
        until(lambda: stack.client.get(name).cleaned_at, what=f"the cleanup of {name}")
    return job


def is_there(stack: Stack, name: str) -> bool:
    """Whether their Transcribe job and its document are as they were."""
    answer = stack.aws("transcribe").list_transcription_jobs(JobNameContains=name)
    names = [each["TranscriptionJobName"] for each in answer["TranscriptionJobSummaries"]]
    return name in names and f"theirs/{name}.json" in stack.objects()


def test_a_transcribe_job_that_is_too_young_is_not_deleted(shared: Stack) -> None:
    theirs(shared, "recent")
    send(shared, audio=THEIR_AUDIO, name="recent", cleanup=True)
    job = ended(shared, "recent")
    assert (job.state, shared.client.get("recent").adopted) == (JobState.COMPLETED, True)
    assert is_there(shared, "recent")


def test_a_transcribe_job_that_writes_where_a_key_says_is_not_deleted(shared: Stack) -> None:
    theirs(shared, "keyed")
    pass_by(shared, 5)
    send(shared, audio=THEIR_AUDIO, name="keyed", key="theirs/keyed", cleanup=True)
    assert ended(shared, "keyed").state is JobState.COMPLETED
    assert is_there(shared, "keyed")


def test_one_whose_name_a_job_bears_that_was_never_started_stays(shared: Stack) -> None:
    theirs(shared, "unstarted")
    shared.fault(kind="limit", operation="StartTranscriptionJob", match="^unstarted$")
    send(shared, audio=THEIR_AUDIO, name="unstarted", deadline=3)
    job = ended(shared, "unstarted")
    assert job.error is not None
    assert job.error.code == "DeadlineExceeded"
    assert is_there(shared, "unstarted")


def test_one_that_had_the_name_of_an_earlier_attempt_stays(shared: Stack) -> None:
    audio = f"s3://{BUCKET}/theirs/replaced.wav"
    upload(shared, "theirs/replaced.wav")
    theirs(shared, "retried", audio)
    pass_by(shared, 4)
    upload(shared, "theirs/replaced.wav")
    send(shared, audio=audio, name="retried", cleanup=True)
    job = ended(shared, "retried", cleaned=False)
    assert job.error is not None
    assert job.error.code == "NameTaken"
    shared.client.retry("retried")
    job = ended(shared, "retried")
    assert (job.state, job.attempt) == (JobState.COMPLETED, 2)
    assert is_there(shared, "retried")
    left = shared.aws("transcribe").list_transcription_jobs(JobNameContains="retried--try-2")
    assert left["TranscriptionJobSummaries"] == []
