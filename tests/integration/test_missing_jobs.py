"""Running jobs that AWS's list lacks: their results show that they have ended, or AWS is asked."""

import json

import pytest

from producer.backend import keys
from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.stack import BUCKET, Stack
from tests.support.stages import acquired_work, collect_once, poll_once, started
from tests.support.waiting import until
from worker.runtime.context import Context
from worker.settings import WorkerSettings
from worker.stages import collect as collecting

NAME = "daily"
FOLDER = f"transcribe-queue/{NAME}"
KEY = f"{FOLDER}/{NAME}.json"


def state(stack: Stack) -> JobState:
    return stack.client.get(NAME).state


def transcribed(worker: Context, stack: Stack, text: str) -> None:
    """Bring a job to where its result, which says so, is in S3 and the list lacks it."""
    started(worker, stack, NAME)
    until(lambda: {job["status"] for job in stack.account()["jobs"]} == {"COMPLETED"})
    s3 = stack.aws("s3")
    document = json.loads(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read())
    document["results"]["transcripts"] = [{"transcript": text}]
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(document).encode())


@pytest.mark.command("collect_missing")
def test_a_result_is_read_once_and_nobody_asks_aws(stack: Stack, worker: Context) -> None:
    transcribed(worker, stack, "The first.")
    read = stack.calls("GetObject")
    assert poll_once(worker) == []
    assert state(stack) is JobState.TRANSCRIBING
    collect_once(worker, NAME)
    assert state(stack) is JobState.COMPLETED
    assert stack.client.text(NAME).strip() == "The first."
    assert (stack.calls("GetObject") - read, stack.calls("GetTranscriptionJob")) == (1, 0)
    moves = [each.state for each in stack.store.events("0-0", 0)]
    assert moves[-3:] == [JobState.TRANSCRIBING, JobState.COLLECTING, JobState.COMPLETED]
    assert stack.running_ids() == []


def test_the_slot_is_free_before_the_files_are_written(stack: Stack, worker: Context) -> None:
    transcribed(worker, stack, "The first.")
    poll_once(worker)
    work = acquired_work(worker, Stage.COLLECT, NAME)
    collecting.fetch(work)
    assert state(stack) is JobState.COLLECTING
    assert stack.running_ids() == []
    # A process of its own, or the next try, begins from there.
    assert work.lease.record["state"] == JobState.COLLECTING


@pytest.mark.command("record_missed")
def test_a_running_job_that_a_list_lacks_runs_on(stack: Stack, slow: Context) -> None:
    started(slow, stack, NAME)
    assert poll_once(slow, lacks=[NAME]) == []
    collect_once(slow, NAME)
    assert state(stack) is JobState.TRANSCRIBING
    assert stack.running_ids() == [NAME]
    # The next list has it again, so the one after that begins anew.
    poll_once(slow)
    poll_once(slow, lacks=[NAME])
    collect_once(slow, NAME)
    assert stack.calls("GetTranscriptionJob") == 0
    assert (state(stack), stack.running_ids()) == (JobState.TRANSCRIBING, [NAME])


def test_one_that_two_lists_lack_is_asked_for_by_name(stack: Stack, slow: Context) -> None:
    started(slow, stack, NAME)
    poll_once(slow, lacks=[NAME])
    assert stack.calls("GetTranscriptionJob") == 0
    collect_once(slow, NAME)
    assert poll_once(slow, lacks=[NAME]) == []
    assert stack.calls("GetTranscriptionJob") == 1
    assert (state(stack), stack.running_ids()) == (JobState.TRANSCRIBING, [NAME])


def test_a_slot_does_not_wait_until_collecting_catches_up(stack: Stack, worker: Context) -> None:
    started(worker, stack, NAME)
    until(lambda: {job["status"] for job in stack.account()["jobs"]} == {"COMPLETED"})
    poll_once(worker)
    assert stack.running_ids() == [NAME]
    poll_once(worker)  # no worker has come to collect it since
    assert stack.calls("GetTranscriptionJob") == 1
    assert (state(stack), stack.running_ids()) == (JobState.COLLECTING, [])


def test_a_job_that_aws_failed_fails_as_the_second_list_lacks_it(
    stack: Stack, worker: Context
) -> None:
    stack.fault(kind="fail", reason="Failed to parse audio file.", match=NAME)
    started(worker, stack, NAME)
    until(lambda: {job["status"] for job in stack.account()["jobs"]} == {"FAILED"})
    poll_once(worker)
    collect_once(worker, NAME)
    assert stack.running_ids() == [NAME]
    assert poll_once(worker) == [NAME]
    job = stack.client.get(NAME)
    assert (job.state, stack.running_ids()) == (JobState.FAILED, [])
    assert job.error is not None
    assert (job.error.code, job.error.stage) == ("TranscriptionFailed", "poll")
    assert "Failed to parse audio file." in job.error.message
    assert stack.calls("GetTranscriptionJob") == 1


def test_a_result_that_comes_late_is_collected(stack: Stack, worker: Context) -> None:
    stack.fault(kind="no_result", match=NAME, seconds=3)
    started(worker, stack, NAME)
    until(lambda: {job["status"] for job in stack.account()["jobs"]} == {"COMPLETED"})
    poll_once(worker)
    collect_once(worker, NAME)
    assert poll_once(worker) == [NAME]
    assert state(stack) is JobState.COLLECTING
    until(lambda: KEY in stack.objects())
    collect_once(worker, NAME)
    assert state(stack) is JobState.COMPLETED


def test_one_of_several_objects_does_not_end_a_job(stack: Stack, slow: Context) -> None:
    started(slow, stack, NAME, subtitles={"formats": ["srt"]})
    body = json.dumps({"jobName": NAME, "results": {"transcripts": [], "items": []}})
    stack.aws("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body.encode())
    assert poll_once(slow, lacks=[NAME]) == []
    assert stack.calls("GetTranscriptionJob") == 1
    assert (state(stack), stack.running_ids()) == (JobState.TRANSCRIBING, [NAME])
    assert stack.broker.command("ZCARD", keys.SCHEDULE(Stage.COLLECT)) == 0


def test_a_job_with_several_objects_is_collected_once_aws_says_that_it_has_ended(
    stack: Stack, worker: Context
) -> None:
    started(worker, stack, NAME, subtitles={"formats": ["srt"]})
    until(lambda: {job["status"] for job in stack.account()["jobs"]} == {"COMPLETED"})
    assert poll_once(worker) == [NAME]
    collect_once(worker, NAME)
    job = stack.client.get(NAME)
    assert (job.state, "aws.srt" in job.files) == (JobState.COMPLETED, True)


def gone(stack: Stack) -> None:
    """Its record has expired, and it was cleaned up."""
    stack.broker.command("DEL", keys.JOB(NAME))
    for key in stack.objects():
        stack.aws("s3").delete_object(Bucket=BUCKET, Key=key)
    stack.aws("transcribe").delete_transcription_job(TranscriptionJobName=NAME)


@pytest.mark.parametrize("lists", [True, False])
def test_another_recording_under_the_name_has_its_own_transcript(
    stack: Stack, worker: Context, *, lists: bool
) -> None:
    other = Context(WorkerSettings.load())
    transcribed(worker, stack, "The first.")
    poll_once(worker)
    collect_once(other, NAME)
    assert stack.client.text(NAME).strip() == "The first."
    gone(stack)
    transcribed(other, stack, "The second.")
    poll_once(other, lists=lists)
    collect_once(worker, NAME)
    assert stack.client.text(NAME).strip() == "The second."


def test_what_an_earlier_attempt_left_is_not_the_result(stack: Stack, slow: Context) -> None:
    started(slow, stack, NAME)
    body = json.dumps({"jobName": NAME, "results": {"transcripts": [], "items": []}})
    stack.aws("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body.encode())
    # As if this attempt had been started a minute after that was written.
    record = keys.JOB(NAME)
    started_at = float(stack.broker.command("HGET", record, "started_at"))
    stack.broker.command("HSET", record, "started_at", started_at + 60)
    poll_once(slow, lacks=[NAME])
    collect_once(slow, NAME)
    assert (state(stack), stack.running_ids()) == (JobState.TRANSCRIBING, [NAME])
