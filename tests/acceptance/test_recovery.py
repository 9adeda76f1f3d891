"""Workers die, stop and double up; jobs do not."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import psutil
import pytest

from producer.backend import keys
from producer.backend.schedule import Schedule
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE, FLEET, Stage
from tests.support.messages import raw_message
from tests.support.stack import LEASE, Stack
from tests.support.waiting import DEADLINE, until
from worker.runtime.runner import ISOLATE_AFTER, MAX_WORKERS_LOST


def recordings(stack: Stack, number: int) -> list[Path]:
    """Many recordings with different names."""
    first = stack.sample("silence.wav")
    paths = [stack.audio / f"recording-{each}.wav" for each in range(number)]
    for path in paths:
        shutil.copy(first, path)
    return paths


def submit(stack: Stack, number: int) -> list[str]:
    """Many jobs at once; returns their ids."""
    return stack.client.submit_many(
        {"audio": str(path), "name": path.stem} for path in recordings(stack, number)
    )


def assert_each_done_once(stack: Stack, ids: list[str]) -> None:
    """Every job is COMPLETED with its own whole result, and was started once."""
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    for job in jobs.values():
        assert json.loads(job.files["json"].read_text())["jobName"] == job.id
        assert job.id in stack.client.text(job.id)
    started = [each["name"] for each in stack.account()["jobs"]]
    assert sorted(started) == sorted(ids)


@pytest.mark.redis
def test_200_at_once_within_the_quota_each_started_once(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2", "--quota", "jobs=20,start=25")
    # No job ends before the account was full, however slow the machine is.
    stack.fault(kind="stuck")
    stack.start_worker("one", max_running_jobs="20")
    stack.start_worker("two", max_running_jobs="20")
    ids = submit(stack, 200)
    until(lambda: stack.account()["running"] == 20, what="a full account")
    until(lambda: not {JobState.QUEUED, JobState.UPLOADING} & states(stack), what="all uploaded")
    admit_once_more(stack)
    assert stack.client.counts()[JobState.READY] == 180
    stack.clear_faults()
    assert_each_done_once(stack, ids)
    refused = {name: calls["refused"] for name, calls in stack.account()["calls"].items()}
    assert sum(refused.values()) == 0, refused
    assert stack.client.counts()[JobState.COMPLETED] == 200
    # Nothing is left of the work but the records.
    until(lambda: not stack.scheduled(), what="an empty schedule")
    assert stack.running_ids() == []


def states(stack: Stack) -> set[JobState]:
    """The states that jobs are in."""
    return {state for state, number in stack.client.counts().items() if number}


def admit_once_more(stack: Stack) -> None:
    """Wait until a worker has admitted the READY jobs that it may: each poll ends with that."""
    polls = stack.calls("ListTranscriptionJobs")
    # The first of them has ended once the second has begun.
    until(lambda: stack.calls("ListTranscriptionJobs") >= polls + 2)


def test_a_killed_workers_jobs_go_on_at_another(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    doomed = stack.start_worker("doomed", max_running_jobs="8")
    ids = submit(stack, 30)
    until(lambda: stack.client.counts()[JobState.COMPLETED] >= 3)
    doomed.kill()
    doomed.wait()
    assert stack.client.counts()[JobState.COMPLETED] < 30
    stack.start_worker("heir", max_running_jobs="8")
    assert_each_done_once(stack, ids)


def test_a_stage_that_was_cut_off_goes_on_at_another(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    slow_uploads(stack, 50, 1)
    doomed = stack.start_worker("doomed")
    job = stack.client.submit(stack.sample("silence.wav"), name="cut-off")
    until(lambda: stack.account()["calls"].get("PutObject"))
    doomed.kill()
    doomed.wait()
    stack.start_worker("heir")
    assert_each_done_once(stack, [job.id])


def test_a_worker_that_wakes_late_changes_nothing(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    sleeper = stack.start_worker("sleeper", max_running_jobs="8")
    ids = submit(stack, 20)
    until(lambda: stack.client.counts()[JobState.TRANSCRIBING] >= 3)
    sleeper.send_signal(signal.SIGSTOP)
    stack.start_worker("awake", max_running_jobs="8")
    until(lambda: stack.client.counts()[JobState.COMPLETED] >= 10)
    sleeper.send_signal(signal.SIGCONT)
    assert_each_done_once(stack, ids)


def test_sigterm_ends_a_worker_soon_and_costs_no_job(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    leaving = stack.start_worker("leaving", max_running_jobs="8")
    ids = submit(stack, 20)
    until(lambda: stack.client.counts()[JobState.COMPLETED] >= 2)
    leaving.terminate()
    assert leaving.wait(timeout=DEADLINE) == 0
    assert stack.client.fleet.alive() == []
    stack.start_worker("next", max_running_jobs="8")
    assert_each_done_once(stack, ids)


def test_messages_that_are_lost_cost_no_job(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    paths = recordings(stack, 3)
    ids = [stack.client.submit(path, name=path.stem).id for path in paths]
    assert stack.broker.command("LLEN", Stage.UPLOAD.queue) == 3
    stack.broker.command("DEL", Stage.UPLOAD.queue)
    stack.start_worker()
    assert_each_done_once(stack, ids)


def test_messages_that_are_doubled_cost_no_second_start(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    paths = recordings(stack, 3)
    ids = [stack.client.submit(path, name=path.stem).id for path in paths]
    messages = stack.broker.command("LRANGE", Stage.UPLOAD.queue, 0, -1)
    for _ in range(20):
        stack.broker.command("LPUSH", Stage.UPLOAD.queue, *messages)
    stack.start_worker()
    assert_each_done_once(stack, ids)


def test_workers_can_be_scaled_by_queue(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.start_worker("front", "-Q", f"{Stage.UPLOAD.queue},{CONTROL_QUEUE}")
    ids = submit(stack, 5)
    until(lambda: stack.client.counts()[JobState.COLLECTING] == 5)
    assert f"FIX  queue {Stage.COLLECT.queue}" in stack.transcribe("doctor").stdout
    stack.start_worker("back", "-Q", f"{Stage.COLLECT.queue},{Stage.CLEANUP.queue}")
    assert_each_done_once(stack, ids)


def stop_while_it_waits(stack: Stack, worker: subprocess.Popen[bytes]) -> None:
    """Stop the only worker while it waits for messages."""

    def stopped_while_it_waits() -> bool:
        worker.send_signal(signal.SIGSTOP)
        if stack.broker.command("INFO", "clients")["blocked_clients"] > 0:
            return True
        worker.send_signal(signal.SIGCONT)
        return False

    until(stopped_while_it_waits)


def lose_a_message(stack: Stack, send: Callable[[str], object]) -> None:
    """Let Redis hand a message to the BRPOP of a stopped worker, which forgets it and is killed.

    Args:
        stack: without a worker.
        send: sends the message of a job by its name.
    """
    doomed = stack.start_worker("doomed")
    for number in count():
        stop_while_it_waits(stack, doomed)
        send(f"lost-{number}")
        if not any(stack.client.fleet.queue_lengths().values()):
            break
        # Its BRPOP, which lasts a second, has just ended.
        doomed.send_signal(signal.SIGCONT)
        stack.completed(number + 1)
    doomed.kill()
    doomed.wait()
    stack.start_worker("heir")
    until(lambda: len(stack.client.list()) > number)
    assert_each_done_once(stack, [f"lost-{each}" for each in range(number + 1)])


def test_a_message_of_others_lost_on_its_way_to_a_worker_costs_seconds(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    audio = str(stack.sample("silence.wav"))

    def send(name: str) -> None:
        request = {"audio": audio, "name": name}
        stack.broker.command("LPUSH", CONTROL_QUEUE, raw_message(request))
        # As another worker's dispatcher does.
        assert len(Schedule(stack.broker, LEASE).dispatch(1)) == 1

    lose_a_message(stack, send)


def test_a_message_lost_between_redis_and_a_worker_costs_seconds(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    path = stack.sample("silence.wav")
    lose_a_message(stack, lambda name: stack.client.submit(path, name=name))


def slow_uploads(stack: Stack, seconds: float, times: int | None) -> None:
    """Let the endpoint delay its answers to uploads."""
    stack.fault(operation="PutObject", kind="timeout", seconds=seconds, times=times, match="audio")


def test_a_long_upload_keeps_its_lease_and_goes_to_no_other_worker(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    slow_uploads(stack, 3 * LEASE, 1)
    stack.start_worker("one")
    stack.start_worker("two")
    job = stack.client.submit(stack.sample("silence.wav"), name="slow")
    assert_each_done_once(stack, [job.id])
    uploads = [
        line
        for name in ("one", "two")
        for line in stack.log(name)
        if line["event"] in {"upload.done", "upload.skipped", "stage.lease_lost"}
    ]
    assert [line["event"] for line in uploads] == ["upload.done"]
    times = stack.client.get(job.id).times
    seconds = (times[JobState.READY] - times[JobState.UPLOADING]).total_seconds()
    assert seconds >= 3 * LEASE, "somebody else has done it meanwhile"


def wait_for_another_worker(stack: Stack, stage: Stage, job_id: str, tokens: set[str]) -> None:
    """Wait for a lease of a stage with another fencing token than these, and add it to them."""

    def found() -> str | None:
        uploader = stack.broker.command("HGET", keys.LEASE(stage), job_id)
        return uploader if uploader not in {None, "0", *tokens} else None

    tokens.add(until(found))


@pytest.mark.long
def test_workers_that_are_killed_by_others_cost_no_job(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    slow_uploads(stack, 50, None)
    job = stack.client.submit(stack.sample("silence.wav"), name="unlucky")
    seen: set[str] = set()
    for number in range(ISOLATE_AFTER + MAX_WORKERS_LOST + 1):
        worker = stack.start_worker(f"worker-{number}")
        wait_for_another_worker(stack, Stage.UPLOAD, job.id, seen)
        worker.kill()
        worker.wait()
    stack.clear_faults()
    stack.start_worker("last")
    assert_each_done_once(stack, [job.id])


def test_a_poison_pill_fails_and_kills_no_more_workers(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    slow_uploads(stack, 50, None)
    job = stack.client.submit(stack.sample("silence.wav"), name="poison")
    seen: set[str] = set()
    for number in range(ISOLATE_AFTER):
        worker = stack.start_worker(f"worker-{number}")
        wait_for_another_worker(stack, Stage.UPLOAD, job.id, seen)
        worker.kill()
        worker.wait()
    last = stack.start_worker("last")
    killed: set[int] = set()

    def ended_with_its_processes() -> bool:
        for process in psutil.Process(last.pid).children():
            with suppress(psutil.NoSuchProcess):  # ended meanwhile
                if "worker.isolated" in process.cmdline() and process.pid not in killed:
                    process.kill()
                    killed.add(process.pid)
        return stack.client.get(job.id).state is JobState.FAILED

    until(ended_with_its_processes)
    error = stack.client.get(job.id).error
    assert error is not None
    assert error.code == "WorkerLost"
    assert len(killed) == MAX_WORKERS_LOST
    assert last.poll() is None
    assert stack.account()["accepted"] == 0


def test_what_is_done_in_a_process_of_its_own_is_done_right(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    for stage in (Stage.UPLOAD, Stage.START, Stage.POLL, Stage.COLLECT, Stage.CLEANUP):
        entry_id = FLEET if stage is Stage.POLL else "suspect"
        stack.broker.command("HSET", keys.STALLED(stage), entry_id, ISOLATE_AFTER)
    request = {"audio": str(stack.sample("silence.wav")), "name": "suspect", "cleanup": True}
    stack.start_worker()
    (job_id,) = stack.client.submit_many([request])
    job = stack.client.wait(job_id, timeout=DEADLINE, cleaned=True)[job_id]
    assert job.state is JobState.COMPLETED
    assert stack.account()["accepted"] == 1
    apart = [line["task"] for line in stack.log() if line["event"] == "stage.isolated"]
    assert {each.removeprefix("transcription.") for each in apart} >= {"upload", "start", "collect"}
