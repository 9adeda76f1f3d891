"""Redis comes back empty; `transcribe recover` brings back what was paid for, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from producer.backend import keys
from producer.contract.job import Job, JobState
from producer.errors import JobExists
from tests.conftest import make_stack
from tests.support.redis_keys import present
from tests.support.stack import BUCKET, SAMPLES, Stack
from tests.support.waiting import DEADLINE, until

THEIR_AUDIO = f"s3://{BUCKET}/theirs/talk.wav"
RICH = {
    "formats": ("txt", "srt"),
    "language": "en-GB",
    "output": "rich",
    "metadata": {"customer": "Zoë", "order": 7},
    "show_speaker_labels": True,
    "max_speaker_labels": 3,
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack for all tests that need no worker to die; each uses names of its own."""
    with make_stack(tmp_path_factory.mktemp("recover")) as built:
        built.start_aws("--recogniser", "fixed:2")
        fail_the_unfit(built)
        built.aws("s3").upload_file(str(SAMPLES / "silence.wav"), BUCKET, "theirs/talk.wav")
        built.start_worker()
        yield built


def fail_the_unfit(stack: Stack) -> None:
    stack.fault(kind="fail", match="unfit", reason="The media format is not what it says.")


def submit(stack: Stack, name: str, **options: object) -> Job:
    """Submit a recording, or the same again."""
    return stack.client.submit(stack.sample("silence.wav", f"{name}.wav"), name=name, **options)


def forget(stack: Stack) -> None:
    """Let Redis lose all it knows but for the heartbeats, which would be there again in seconds."""
    heartbeats = stack.broker.command("HGETALL", str(keys.WORKERS))
    stack.broker.command("FLUSHALL")
    for name, heartbeat in heartbeats.items():
        stack.broker.command("HSET", str(keys.WORKERS), name, heartbeat)


def recover(stack: Stack, *arguments: str) -> dict[str, str]:
    """Run the command; returns what became of each job."""
    done = stack.transcribe("recover", *arguments, "--timeout", "60")
    assert done.returncode == 0, done
    return dict(line.split("\t") for line in done.stdout.splitlines())


def started(stack: Stack, *names: str) -> list[str]:
    """The names under which jobs were started, of those that start with one of `names`."""
    jobs = (str(each["name"]) for each in stack.account()["jobs"])
    return sorted(job for job in jobs if job.startswith(names))


def recorded(stack: Stack) -> dict[str, object]:
    """All that Redis knows of jobs: their records, and what waits or runs."""
    read = {"hash": ("HGETALL",), "zset": ("ZRANGE",)}
    ends = {"hash": (), "zset": (0, -1)}
    found: dict[str, object] = {}
    names = present(stack.broker, keys.JOB, keys.SCHEDULE, keys.RUNNING, keys.WAITING, keys.STATE)
    for key in sorted(names):
        kind = stack.broker.command("TYPE", key)
        if kind in read:
            found[key] = stack.broker.command(*read[kind], key, *ends[kind])
    return found


def theirs(stack: Stack, name: str, **options: object) -> None:
    """A Transcribe job of other software."""
    stack.aws("transcribe").start_transcription_job(
        TranscriptionJobName=name,
        LanguageCode="en-US",
        Media={"MediaFileUri": THEIR_AUDIO},
        **options,
    )


def test_what_was_paid_for_comes_back_whole(shared: Stack) -> None:
    done = submit(shared, "all-done", **RICH)
    failed = submit(shared, "all-unfit")
    keyed_done = submit(shared, "all-keyed-done", key="calls/done.wav")
    on_s3_done = shared.client.submit(THEIR_AUDIO, name="all-in-place-done", language="en-GB")
    first = [done.id, failed.id, keyed_done.id, on_s3_done.id]
    shared.client.wait(first, timeout=DEADLINE)
    shared.fault(kind="stuck", match="^all-")
    running = submit(shared, "all-running", **RICH)
    clean = submit(shared, "all-clean", cleanup=True)
    keyed = submit(shared, "all-keyed", key="calls/running.wav", formats=("vtt",))
    on_s3 = shared.client.submit(
        THEIR_AUDIO, name="all-in-place", show_alternatives=True, max_alternatives=2
    )
    second = [running.id, clean.id, keyed.id, on_s3.id]
    for job_id in second:
        shared.job_in(job_id, JobState.TRANSCRIBING)
    requests = {job_id: shared.client.get(job_id).request for job_id in first + second}
    before = {"all-done": shared.client.get("all-done").files}

    shared.broker.command("FLUSHALL")
    outcome = recover(shared)

    assert outcome["all-unfit"] == "FAILED"
    for job_id in ("all-done", "all-keyed-done", "all-in-place-done"):
        assert outcome[job_id] == "COLLECTING"
    for job_id in second:
        assert outcome[job_id] == "TRANSCRIBING"
    assert set(outcome) == {*first, *second}
    shared.clear_faults()
    fail_the_unfit(shared)
    jobs = shared.client.wait(first + second, timeout=DEADLINE, cleaned=True)
    states = {job_id: job.state for job_id, job in jobs.items()}
    assert states.pop("all-unfit") is JobState.FAILED
    assert set(states.values()) == {JobState.COMPLETED}
    error = jobs["all-unfit"].error
    assert error is not None
    assert (error.code, error.message) == (
        "TranscriptionFailed",
        "Amazon Transcribe: The media format is not what it says.",
    )
    # A note on our audio has the whole request; of their audio Transcribe has only the options.
    for job_id in ("all-done", "all-unfit", "all-keyed-done", "all-running", "all-clean"):
        assert jobs[job_id].request == requests[job_id]
    assert jobs["all-in-place"].request == requests["all-in-place"]
    assert jobs["all-in-place-done"].request == requests["all-in-place-done"]
    assert jobs["all-done"].files == before["all-done"]
    assert set(jobs["all-running"].files) == {"job.json", "json", "txt", "srt"}
    assert set(jobs["all-keyed"].files) == {"job.json", "json", "vtt"}
    for job_id in states:
        assert job_id in shared.client.text(job_id)
    assert jobs["all-clean"].cleaned_at is not None
    assert not [key for key in shared.objects() if "all-clean" in key]
    assert "theirs/talk.wav" in shared.objects()
    # The job that was cleaned is listed no more, so the endpoint's own history is read.
    assert started(shared, "all-") == sorted(first + second)
    # What was submitted is submitted again, by its owner: it is the same job.
    for job_id, request in requests.items():
        assert shared.client.submit(request).id == job_id
    assert started(shared, "all-") == sorted(first + second)


def test_what_others_have_is_neither_touched_nor_recorded(shared: Stack) -> None:
    theirs(shared, "others-service")
    theirs(shared, "others-bucket", OutputBucketName=BUCKET, OutputKey="others/bucket.json")
    theirs(shared, "others-taken", OutputBucketName=BUCKET, OutputKey="others/taken.json")
    ours = submit(shared, "others-taken")
    assert shared.client.wait(ours.id, timeout=DEADLINE)[ours.id].state is JobState.FAILED
    until(lambda: shared.account()["running"] == 0)
    # A document without a Transcribe job, in a folder like ours.
    key = "transcribe-queue/others-file/others-file.json"
    shared.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=b'{"jobName": "something"}')
    objects = shared.objects()
    forget(shared)
    outcome = recover(shared)
    assert outcome["others-taken"] == "never-started"
    assert not {"others-service", "others-bucket", "others-file"} & set(outcome)
    known = {job.id for job in shared.client.list(limit=1000)}
    assert not {job_id for job_id in known if job_id.startswith("others-")}
    assert shared.objects() == objects
    listed = shared.aws("transcribe").list_transcription_jobs(JobNameContains="others-")
    names = {each["TranscriptionJobName"] for each in listed["TranscriptionJobSummaries"]}
    assert names == {"others-service", "others-bucket", "others-taken"}


def test_recovering_twice_changes_nothing(shared: Stack) -> None:
    job = submit(shared, "twice")
    shared.job_in(job.id, JobState.COMPLETED)
    forget(shared)
    assert recover(shared, "twice") == {"twice": "COLLECTING"}
    shared.job_in(job.id, JobState.COMPLETED)
    recover(shared)
    settled(shared)
    before = recorded(shared)
    assert recover(shared, "twice", "nobody") == {"twice": "known", "nobody": "not-found"}
    assert "twice" not in recover(shared)
    assert recorded(shared) == before


def settled(stack: Stack) -> None:
    """Wait until nothing is under way."""
    until(lambda: not stack.running_ids())
    until(lambda: not stack.scheduled(), what="an empty schedule")


def test_jobs_with_a_record_are_left_alone(shared: Stack) -> None:
    done, gone = submit(shared, "kept-done"), submit(shared, "kept-cancelled")
    shared.job_in(done.id, JobState.COMPLETED)
    shared.job_in(gone.id, JobState.TRANSCRIBING, JobState.COMPLETED)
    running = submit(shared, "kept-running")
    shared.job_in(running.id, JobState.TRANSCRIBING)
    before = {job_id: record(shared, job_id) for job_id in (done.id, running.id)}
    assert not {"kept-done", "kept-running"} & set(recover(shared))
    assert record(shared, done.id) == before[done.id]
    assert "rebuilt" not in record(shared, running.id)
    shared.job_in(running.id, JobState.COMPLETED)


def record(stack: Stack, job_id: str) -> dict[str, str]:
    return dict(stack.broker.command("HGETALL", keys.JOB(job_id)))


def test_a_dry_run_records_nothing(shared: Stack) -> None:
    job = submit(shared, "dry", **RICH)
    shared.job_in(job.id, JobState.COMPLETED)
    forget(shared)
    done = shared.transcribe("recover", "dry", "--dry-run", "--json")
    assert done.returncode == 0, done
    (found,) = map(json.loads, done.stdout.splitlines())
    assert (found["id"], found["outcome"]) == ("dry", "COLLECTING")
    assert "would be" in done.stderr
    assert recorded(shared) == {}
    assert recover(shared, "dry") == {"dry": "COLLECTING"}


def test_a_job_that_was_being_uploaded_can_be_submitted_again(shared: Stack) -> None:
    shared.block(operation="PutObject", match="half-way/audio")
    job = submit(shared, "half-way")
    shared.job_in(job.id, JobState.UPLOADING)
    forget(shared)
    assert recover(shared, "half-way") == {"half-way": "not-found"}
    shared.clear_faults()
    fail_the_unfit(shared)
    assert submit(shared, "half-way").id == job.id
    shared.job_in(job.id, JobState.COMPLETED)
    assert started(shared, "half-way") == ["half-way"]


def test_a_recording_that_was_only_uploaded_is_reported_and_not_started(shared: Stack) -> None:
    shared.fault(operation="StartTranscriptionJob", kind="error500", match="waiting")
    job = submit(shared, "waiting", formats=("srt",))
    shared.job_in(job.id, JobState.STARTING)
    forget(shared)
    assert recover(shared, "waiting") == {"waiting": "never-started"}
    assert recorded(shared) == {}
    shared.clear_faults()
    fail_the_unfit(shared)
    assert submit(shared, "waiting", formats=("srt",)).id == job.id
    shared.job_in(job.id, JobState.COMPLETED)
    assert started(shared, "waiting") == ["waiting"]


def test_a_job_whose_transcribe_job_was_deleted_lives_on_in_its_result(shared: Stack) -> None:
    job = submit(shared, "outlived", **RICH)
    request = shared.job_in(job.id, JobState.COMPLETED).request
    shared.aws("transcribe").delete_transcription_job(TranscriptionJobName="outlived")
    forget(shared)
    assert recover(shared, "outlived") == {"outlived": "COLLECTING"}
    assert shared.job_in(job.id, JobState.COMPLETED).request == request


def without_note(stack: Stack, key: str) -> None:
    """Let the audio be without the note of its request."""
    s3 = stack.aws("s3")
    marks = s3.head_object(Bucket=BUCKET, Key=key)["Metadata"]
    owner = {name: value for name, value in marks.items() if name == "transcribe-queue-job"}
    assert len(marks) == len(owner) + 1
    s3.copy_object(
        Bucket=BUCKET,
        Key=key,
        CopySource={"Bucket": BUCKET, "Key": key},
        Metadata=owner,
        MetadataDirective="REPLACE",
    )


@pytest.mark.parametrize("ended", [True, False])
def test_who_submits_again_knows_the_request_better_than_a_guess(
    shared: Stack, *, ended: bool
) -> None:
    name = f"guessed-{ended}".lower()
    shared.fault(kind="stuck", match=f"^{name}$")
    job = submit(shared, name, **RICH)
    shared.job_in(name, JobState.TRANSCRIBING)
    without_note(shared, f"transcribe-queue/{name}/audio.wav")
    forget(shared)
    recover(shared, name)
    guessed = shared.client.get(name).request
    assert (guessed.language, guessed.max_speaker_labels) == ("en-GB", 3)
    assert guessed.output is None
    if ended:
        shared.clear_faults()
        shared.job_in(name, JobState.COMPLETED)
    assert submit(shared, name, **RICH).id == job.id
    shared.clear_faults()
    fail_the_unfit(shared)
    corrected = shared.client.wait(name, timeout=DEADLINE)[name]
    assert corrected.state is JobState.COMPLETED
    assert corrected.request.output == "rich"
    assert set(corrected.files) == {"job.json", "json", "txt", "srt"}
    assert "rich" in str(corrected.files["srt"])
    assert started(shared, name) == [name]
    # Once: then it is a job like any other.
    with pytest.raises(JobExists):
        submit(shared, name, formats=("vtt",))


def test_a_name_is_not_reused_for_other_audio(shared: Stack) -> None:
    submit(shared, "other-audio")
    shared.job_in("other-audio", JobState.COMPLETED)
    forget(shared)
    recover(shared, "other-audio")
    shared.job_in("other-audio", JobState.COMPLETED)
    other = shared.sample("silence.wav", "another.wav")
    with pytest.raises(JobExists):
        shared.client.submit(other, name="other-audio")


def test_a_later_attempt_is_the_one_that_counts(shared: Stack) -> None:
    shared.fault(kind="fail", match="^again$", times=1)
    shared.fault(kind="stuck", match="^again--try-2$")
    job = submit(shared, "again")
    until(lambda: shared.client.get(job.id).attempt == 2)
    shared.job_in(job.id, JobState.TRANSCRIBING)
    forget(shared)
    assert recover(shared, "again") == {"again": "TRANSCRIBING"}
    shared.clear_faults()
    fail_the_unfit(shared)
    assert shared.job_in(job.id, JobState.COMPLETED).attempt == 2
    assert started(shared, "again") == ["again", "again--try-2"]


def test_an_answer_that_aws_owes_is_waited_for(shared: Stack) -> None:
    job = submit(shared, "hiccup")
    shared.job_in(job.id, JobState.COMPLETED)
    forget(shared)
    for operation in ("ListTranscriptionJobs", "ListObjectsV2", "HeadObject"):
        shared.fault(operation=operation, kind="error500", times=1)
    earlier = recoveries_started(shared)
    assert recover(shared, "hiccup") == {"hiccup": "COLLECTING"}
    # In an account with many jobs, starting anew each time would never end.
    assert recoveries_started(shared) == earlier + 1


def recoveries_started(stack: Stack) -> int:
    """How often a worker has started a recovery."""
    return [line["event"] for line in stack.log()].count("recovery.started")


def sentence(done: subprocess.CompletedProcess[str], code: int, part: str) -> None:
    """One clear sentence on stderr, and nothing on stdout."""
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("transcribe: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert part in done.stderr


def test_what_aws_forbids_is_said(shared: Stack) -> None:
    shared.fault(operation="ListTranscriptionJobs", kind="access_denied", times=1)
    sentence(shared.transcribe("recover"), 1, "ListTranscriptionJobs")
    sentence(shared.transcribe("recover", "a/b"), 2, "a/b")


def test_without_a_worker_nobody_waits(stack: Stack) -> None:
    sentence(stack.transcribe("recover"), 1, "No worker is alive")
    assert recorded(stack) == {}


def test_what_still_runs_is_awaited_and_not_started_again(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.fault(kind="stuck", match="^running$")
    stack.start_worker(max_running_jobs="1")
    job = submit(stack, "running")
    stack.job_in(job.id, JobState.TRANSCRIBING)
    forget(stack)
    assert recover(stack) == {"running": "TRANSCRIBING"}
    # It has the account's only slot, as before.
    submit(stack, "next")
    stack.job_in("next", JobState.READY)
    assert stack.client.get(job.id).state is JobState.TRANSCRIBING
    stack.clear_faults()
    # No producer submits again, so the poll alone sees it end.
    stack.job_in(job.id, JobState.COMPLETED)
    stack.job_in("next", JobState.COMPLETED)
    assert started(stack, "") == ["next", "running"]
    assert stack.account()["max_running"] == 1


def test_a_recovery_outlives_its_worker_and_is_joined(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    doomed = stack.start_worker("doomed")
    names = [f"many-{number}" for number in range(5)]
    for name in names:
        submit(stack, name)
    stack.client.wait(names, timeout=DEADLINE)
    forget(stack)
    # S3 never answers for the third job's audio.
    stack.fault(operation="HeadObject", kind="timeout", seconds=50, times=1, match="many-2")
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(recover, stack)
        until(lambda: len(stack.client.list()) == 2)
        sentence(stack.transcribe("recover", "--timeout", "0"), 3, "goes on")
        sentence(stack.transcribe("recover", "many-2"), 1, "under way")
        doomed.kill()
        doomed.wait()
        stack.start_worker("heir")
        assert waiting.result() == dict.fromkeys(names, "COLLECTING")
    jobs = stack.client.wait(names, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert started(stack, "many-") == names
