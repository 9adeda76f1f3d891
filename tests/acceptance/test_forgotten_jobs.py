"""A job that Redis forgot is submitted again and cancelled at once: nothing stays at AWS."""

from __future__ import annotations

from typing import Any

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import QUEUES, Stage
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import until

pytestmark = pytest.mark.long

THEIR_AUDIO = f"s3://{BUCKET}/theirs/talk.wav"
#: How a job names its audio and its key, and what it may look like when it is forgotten.
LIVES: dict[str, tuple[dict[str, Any], JobState]] = {
    "done": ({}, JobState.COMPLETED),
    "running": ({}, JobState.TRANSCRIBING),
    "redacted": (
        {
            "content_redaction": {"redaction_output": "redacted_and_unredacted"},
            "subtitles": {"formats": ["srt"]},
        },
        JobState.COMPLETED,
    ),
    "keyed": ({"key": "calls/keyed.wav"}, JobState.COMPLETED),
    "in-place": ({"audio": THEIR_AUDIO}, JobState.COMPLETED),
    "second": ({}, JobState.COMPLETED),
}


@pytest.fixture
def apart(stack: Stack) -> Stack:
    """A worker for uploads, to be stopped, and one for all else."""
    stack.start_aws("--recogniser", "fixed:1.5")
    stack.aws("s3").upload_file(str(stack.sample("silence.wav")), BUCKET, "theirs/talk.wav")
    stack.environment["TRANSCRIBE_MAX_RUNNING_JOBS"] = "1"
    rest = ",".join(set(QUEUES) - {Stage.UPLOAD.queue})
    stack.start_worker("rest", "-Q", rest)
    return stack


def submit(stack: Stack, name: str, **fields: object) -> None:
    audio = fields.pop("audio", None) or stack.sample("silence.wav")
    stack.client.submit(audio, name=name, **fields)  # type: ignore[arg-type]


def forget(stack: Stack) -> None:
    """Let Redis lose all it knows but for the heartbeats."""
    heartbeats = stack.broker.command("HGETALL", str(keys.WORKERS))
    stack.broker.command("FLUSHALL")
    for name, heartbeat in heartbeats.items():
        stack.broker.command("HSET", str(keys.WORKERS), name, heartbeat)


def left(stack: Stack, name: str) -> list[str]:
    """What AWS has of a job."""
    jobs = stack.aws("transcribe").list_transcription_jobs(JobNameContains=name)
    listed = [each["TranscriptionJobName"] for each in jobs["TranscriptionJobSummaries"]]
    return listed + [key for key in stack.objects() if name in key]


def cleaned(stack: Stack, *names: str) -> None:
    """Wait until cancelled jobs were cleaned up."""
    until(lambda: all(job and job.cleaned_at for job in stack.store.get_many(names).values()), 60)
    assert [stack.client.get(name).cleanup_error for name in names] == [None] * len(names)


def test_what_a_forgotten_job_left_is_deleted(apart: Stack) -> None:
    apart.fault(kind="fail", match="^second$", reason="Internal error. Try again.")
    uploader = apart.start_worker("uploader", "-Q", Stage.UPLOAD.queue)
    for name, (fields, state) in LIVES.items():
        if state is JobState.COMPLETED:
            submit(apart, name, **fields)
    done = [name for name, (_, state) in LIVES.items() if state is JobState.COMPLETED]
    apart.client.wait(done, timeout=60)
    apart.fault(operation="Get*", kind="error500", times=None, match="(^|/)running(/|$)")
    submit(apart, "running")
    apart.job_in("running", JobState.TRANSCRIBING)
    uploader.kill()
    uploader.wait()
    assert all(left(apart, name) for name in LIVES)
    assert len(apart.account()["jobs"]) == len(LIVES) + 1, "one was tried twice"

    forget(apart)
    apart.clear_faults()
    for name, (fields, _) in LIVES.items():
        submit(apart, name, **fields)
        assert apart.client.cancel(name).state is JobState.CANCELLED
    cleaned(apart, *LIVES)
    assert {name: left(apart, name) for name in LIVES} == {name: [] for name in LIVES}
    assert "theirs/talk.wav" in apart.objects()
    assert apart.running_ids() == []


def test_what_an_upload_met_is_deleted(apart: Stack) -> None:
    """One that is cancelled when its audio was found in S3 already."""
    uploader = apart.start_worker("uploader", "-Q", Stage.UPLOAD.queue)
    submit(apart, "met")
    apart.client.wait("met", timeout=60)
    forget(apart)
    # The only slot is taken.
    apart.fault(operation="Get*", kind="error500", times=None, match="(^|/)other(/|$)")
    submit(apart, "other")
    apart.job_in("other", JobState.TRANSCRIBING)
    submit(apart, "met")
    apart.job_in("met", JobState.READY)
    apart.client.cancel("met")
    cleaned(apart, "met")
    assert left(apart, "met") == []
    assert uploader.poll() is None


def test_what_lost_its_audio_is_deleted(apart: Stack) -> None:
    """As where the upload of the present job found that audio, and took it back when stopped."""
    uploader = apart.start_worker("uploader", "-Q", Stage.UPLOAD.queue)
    submit(apart, "mute")
    job = apart.client.wait("mute", timeout=60)["mute"]
    uploader.kill()
    uploader.wait()
    forget(apart)
    assert job.media_uri is not None
    apart.aws("s3").delete_object(Bucket=BUCKET, Key=job.media_uri.removeprefix(f"s3://{BUCKET}/"))
    submit(apart, "mute")
    apart.client.cancel("mute")
    cleaned(apart, "mute")
    assert left(apart, "mute") == []


def test_what_others_have_under_the_name_stays(apart: Stack) -> None:
    s3, transcribe = apart.aws("s3"), apart.aws("transcribe")
    s3.upload_file(str(apart.sample("silence.wav")), BUCKET, "calls/theirs.wav")
    for name, audio in (("theirs", "calls/theirs.wav"), ("in-place", "theirs/talk.wav")):
        transcribe.start_transcription_job(
            TranscriptionJobName=name,
            LanguageCode="en-US",
            Media={"MediaFileUri": f"s3://{BUCKET}/{audio}"},
            OutputBucketName=BUCKET,
            OutputKey=f"{audio}.json",
        )
    until(lambda: all(f"{each}.json" in apart.objects() for each in ("calls/theirs.wav",)))
    before = {name: left(apart, name) for name in ("theirs", "in-place")}
    submit(apart, "theirs", key="calls/theirs.wav")
    submit(apart, "in-place", audio=THEIR_AUDIO, key="theirs/talk.wav")
    for name in before:
        apart.client.cancel(name)
    cleaned(apart, *before)
    assert {name: left(apart, name) for name in before} == before


def test_thousands_of_unstarted_jobs_cost_transcribe_no_call(apart: Stack) -> None:
    names = [f"new-{number}" for number in range(30)]
    for name in names:
        submit(apart, name)
    for name in names:
        apart.client.cancel(name)
    cleaned(apart, *names)
    assert apart.calls("GetTranscriptionJob") == apart.calls("DeleteTranscriptionJob") == 0
    assert apart.calls("HeadObject") == apart.calls("DeleteObject") == 0
