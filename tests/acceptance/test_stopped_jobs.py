"""Jobs are cancelled, or reach their deadline, in every state; nothing of them is left behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import STAGE_OF, Stage
from tests.support.redis_keys import present
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until
from worker.aws.transfer import PART_BYTES

NAME = "stopped"


def in_state(stack: Stack, state: JobState) -> None:
    """A job that stays in a state until `clear_faults`."""
    stack.start_aws("--recogniser", "fixed:0.2")
    match state:
        case JobState.UPLOADING:
            stack.block(operation="PutObject")
        case JobState.STARTING:
            stack.block(operation="StartTranscriptionJob", kind="timeout_after", times=1)
            # Nor is it adopted meanwhile.
            stack.block(operation="*TranscriptionJob")
        case JobState.TRANSCRIBING:
            stack.fault(kind="stuck")
        case JobState.COLLECTING:
            stack.block(operation="GetObject")
    queues = ("-Q", Stage.CLEANUP.queue) if state is JobState.QUEUED else ()
    # READY: the account's only slot is taken.
    stack.start_worker("worker", *queues, max_running_jobs="1")
    if state is JobState.READY:
        stack.block(operation="StartTranscriptionJob", match="first")
        stack.client.submit(stack.sample("silence.wav", "first.wav"), name="first")
        stack.job_in("first", JobState.STARTING)
    stack.client.submit(stack.sample("silence.wav"), name=NAME)
    stack.job_in(NAME, state)


def artifacts(stack: Stack) -> dict[str, object]:
    """What of the job is still anywhere, apart from its record."""
    s3 = stack.aws("s3")
    jobs = stack.aws("transcribe").list_transcription_jobs(JobNameContains=NAME)
    redis = [
        key
        for key in present(stack.broker)
        if stack.broker.command("TYPE", key) == "zset"
        and not keys.STATE.matches(key)
        and stack.broker.command("ZSCORE", key, NAME) is not None
    ]
    found = {
        "objects": [key for key in stack.objects() if NAME in key],
        "uploads": s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []),
        "transcription": jobs["TranscriptionJobSummaries"],
        "redis": redis,
        "leases": [
            stage for stage in Stage if stack.broker.command("HGET", keys.LEASE(stage), NAME)
        ],
    }
    return {what: left for what, left in found.items() if left}


def expire(stack: Stack) -> None:
    """Let the job's deadline be over, without waiting for it."""
    stack.broker.command("ZADD", str(keys.DEADLINES), stack.now() - 1, NAME)


ACTIVE = [state for state in JobState if not state.is_terminal]


@pytest.mark.parametrize("state", ACTIVE)
def test_a_cancelled_job_leaves_nothing(stack: Stack, state: JobState) -> None:
    in_state(stack, state)
    done = stack.transcribe("cancel", NAME)
    assert done.returncode == 0, done.stderr
    assert stack.client.get(NAME).state is JobState.CANCELLED
    stack.clear_faults()
    until(lambda: not artifacts(stack), what=f"nothing left: {artifacts(stack)}")
    assert stack.client.get(NAME).state is JobState.CANCELLED


@pytest.mark.parametrize("state", ACTIVE)
def test_a_job_past_its_deadline_fails_wherever_it_is(stack: Stack, state: JobState) -> None:
    in_state(stack, state)
    expire(stack)
    failed = stack.job_in(NAME, JobState.FAILED)
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == ("DeadlineExceeded", STAGE_OF[state])
    stack.clear_faults()

    def only_objects() -> bool:
        # It did not ask for cleanup: its objects stay, all else goes. A result that was there
        # already was paid for, and stays too.
        left = artifacts(stack)
        kept = {"objects", "transcription"} if state is JobState.COLLECTING else {"objects"}
        return set(left) <= kept

    until(only_objects, what=f"only objects left: {artifacts(stack)}")


def big_upload(stack: Stack) -> None:
    """An upload in parts of which none gets through until `clear_faults`."""
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.block(operation="UploadPart")
    sample = stack.sample("silence.wav")
    with sample.open("ab") as file:
        file.truncate(3 * PART_BYTES)


def uploads(stack: Stack) -> list[object]:
    return list(stack.aws("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


@pytest.mark.parametrize("stop", [lambda stack: stack.client.cancel(NAME), expire])
@pytest.mark.parametrize("killed", [False, True])
def test_an_upload_in_parts_is_aborted_even_if_its_worker_was_killed(
    stack: Stack, stop: Callable[[Stack], object], killed: bool
) -> None:
    big_upload(stack)
    worker = stack.start_worker("uploader")
    stack.client.submit(stack.audio / "silence.wav", name=NAME)
    until(lambda: uploads(stack))
    if killed:
        worker.kill()
        worker.wait()
        stack.start_worker("cleaner", "-Q", Stage.CLEANUP.queue)
    stop(stack)
    stack.job_in(NAME, JobState.CANCELLED, JobState.FAILED)
    stack.clear_faults()
    # The upload may get through now; a failed job that did not ask for cleanup leaves its audio.
    kept = {"objects"} if stop is expire else set()
    until(lambda: set(artifacts(stack)) <= kept, what=f"only {kept} left: {artifacts(stack)}")


@pytest.mark.parametrize("key", [None, "calls/a"])
def test_an_upload_in_parts_that_was_killed_is_aborted_by_the_next(
    stack: Stack, key: str | None
) -> None:
    big_upload(stack)
    worker = stack.start_worker("killed")
    stack.client.submit(stack.audio / "silence.wav", name=NAME, key=key)
    until(lambda: uploads(stack))
    if key is not None:  # before a part is sent the worker records it, and S3 shows it earlier
        until(lambda: stack.store.uploads(NAME))
    worker.kill()
    worker.wait()
    stack.clear_faults()
    stack.start_worker("next")
    stack.job_in(NAME, JobState.COMPLETED)
    assert uploads(stack) == []


def test_two_jobs_with_one_key_wait_for_each_other(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.5")
    stack.start_worker()
    recording = stack.sample("silence.wav")
    ids = [
        stack.client.submit(recording, name=name, key="calls/today.wav", cleanup=True).id
        for name in ("one", "two", "three")
    ]
    jobs = stack.client.wait(ids, timeout=DEADLINE, cleaned=True)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert all(name in stack.client.text(name) for name in ids)
    assert stack.objects() == []
