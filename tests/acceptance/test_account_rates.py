"""All workers together keep to the account's rates; AWS that hangs for one delays no other."""

from __future__ import annotations

import socket
import time

import pytest

from producer.backend import keys
from producer.contract.job import Job, JobState
from producer.contract.stages import CONTROL_QUEUE, QUEUES
from tests.support.slow_proxy import slowly
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long

#: Objects that are deleted of a job: audio, result, and what AWS leaves of its trial.
_OBJECTS = 3


def submit(stack: Stack, number: int, **options: object) -> list[str]:
    recording = stack.sample("silence.wav")
    return stack.client.submit_many(
        {"audio": str(recording), "name": f"job-{each}", **options} for each in range(number)
    )


def completed(stack: Stack, ids: list[str], **how: bool) -> list[Job]:
    jobs = stack.client.wait(ids, timeout=DEADLINE, **how)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert sorted(each["name"] for each in stack.account()["jobs"]) == sorted(ids)
    return list(jobs.values())


def kept_to_the_rates(stack: Stack) -> None:
    """In no second were there more calls than a new account may make, so none was refused."""
    account = stack.account()
    per_second = account["max_per_second"]
    quotas = {"Start": 25, "Get": 30, "List": 5, "Delete": 5}
    for verb, quota in quotas.items():
        operation = f"{verb}TranscriptionJob{'s' if verb == 'List' else ''}"
        assert per_second.get(operation, 0) <= quota, per_second
        assert account["calls"].get(operation, {"refused": 0})["refused"] == 0


def test_starts_that_piled_up_do_not_come_at_once(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    others = [queue for queue in QUEUES if queue != CONTROL_QUEUE]
    stack.start_worker("others", "-Q", ",".join(others))
    ids = submit(stack, 100)
    until(
        lambda: (
            stack.client.counts()[JobState.READY] + stack.client.counts()[JobState.STARTING] == 100
        ),
        60,
    )
    assert stack.client.counts()[JobState.STARTING] <= 25, "the rest would only wait"
    stack.start_worker("one", "-Q", CONTROL_QUEUE, concurrency="60")
    stack.start_worker("two", "-Q", CONTROL_QUEUE, concurrency="60")
    completed(stack, ids)
    kept_to_the_rates(stack)


def test_four_workers_keep_to_the_rates_of_one_account(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:2")
    for name in ("one", "two", "three", "four"):
        stack.start_worker(name)
    ids = submit(stack, 80, cleanup=True)
    completed(stack, ids)
    until(lambda: all(job.cleaned_at for job in stack.client.list(limit=100)))
    kept_to_the_rates(stack)
    assert stack.account()["calls"]["DeleteTranscriptionJob"]["count"] == len(ids)


def test_calls_that_are_on_their_way_for_different_times_do_not_meet(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    with slowly(stack, stack.endpoint) as way:
        # Whatever is sent within 1.5 s arrives together.
        way.detour = lambda: 1.5 - time.monotonic() % 1.5
        stack.environment["AWS_ENDPOINT_URL_TRANSCRIBE"] = f"http://{way.address}"
        stack.start_worker("one", concurrency="40")
        stack.start_worker("two", concurrency="40")
        completed(stack, submit(stack, 75))
        kept_to_the_rates(stack)


def test_a_backlog_of_cleanups_does_each_once_and_the_oldest_first(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.start_worker("one")
    stack.start_worker("two")
    ids = submit(stack, 40, cleanup=True)
    jobs = completed(stack, ids, cleaned=True)
    kept_to_the_rates(stack)
    assert stack.account()["calls"]["DeleteObject"]["count"] == _OBJECTS * len(ids)
    assert stack.objects() == []
    in_turn = sorted(jobs, key=lambda job: job.times[JobState.COMPLETED])
    cleaned = sorted(jobs, key=lambda job: job.cleaned_at or job.created_at)
    # Ten are on their way at once. One that a busy machine kept waiting is no reason to doubt.
    out_of_turn = [job for job in jobs if abs(in_turn.index(job) - cleaned.index(job)) > 10]
    assert len(out_of_turn) <= 2


def test_many_that_are_cancelled_while_they_run_keep_the_rates(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:5")
    stack.start_worker("one")
    stack.start_worker("two")
    ids = submit(stack, 40)
    until(lambda: stack.client.counts()[JobState.TRANSCRIBING] >= 35)
    for job_id in ids:
        stack.client.cancel(job_id)
    until(lambda: all(job.cleaned_at for job in stack.client.list(limit=100)))
    kept_to_the_rates(stack)
    assert stack.objects() == []


def test_a_small_result_is_checked_and_read_in_one_call(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    stack.start_worker()
    ids = submit(stack, 60)
    completed(stack, ids)
    calls = stack.account()["calls"]
    assert calls["ListTranscriptionJobs"]["count"] > 0
    # The poll may read one again, if it was cut short.
    assert calls["GetObject"]["count"] < 1.5 * len(ids)
    assert "HeadObject" not in calls


def test_a_result_that_s3_does_not_send_delays_no_other(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    stack.fault(operation="GetObject", kind="timeout", seconds=60, match=r"job-0\.json")
    # While few run they are asked for by name.
    stack.fault(operation="GetTranscriptionJob", kind="timeout", seconds=60, match="^job-0$")
    stack.start_worker()
    ids = submit(stack, 12)
    stack.client.wait(ids[1:], timeout=DEADLINE)
    assert stack.client.get(ids[0]).state is JobState.TRANSCRIBING
    stack.clear_faults()
    completed(stack, ids)


def test_a_worker_whose_s3_hangs_does_not_delay_the_fleet(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # It accepts connections and never answers.
        port = silent.getsockname()[1]
        environment = dict(stack.environment)
        stack.environment["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{port}"
        stack.start_worker("deaf", "-Q", CONTROL_QUEUE)
        stack.environment = environment
        stack.start_worker("well")
        completed(stack, submit(stack, 30))
        assert stack.broker.command("ZCARD", str(keys.RUNNING)) == 0
