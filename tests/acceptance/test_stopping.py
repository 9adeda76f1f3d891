"""Workers are stopped and replaced while they are at work; their jobs hardly notice.

The lease is longer than the tests may take: a job that had to wait for the end of one fails them.
"""

from __future__ import annotations

import signal
import subprocess

import pytest

from producer.contract.job import JobState
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

LEASE = "300"


def wait_for_end(worker: subprocess.Popen[bytes]) -> None:
    """A worker that got a signal to stop has ended with exit code 0."""
    assert worker.wait(timeout=DEADLINE) == 0


def started_once(stack: Stack, ids: list[str]) -> None:
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert sorted(each["name"] for each in stack.account()["jobs"]) == sorted(ids)


@pytest.mark.long
def test_a_rolling_restart_under_load_costs_no_job_a_lease(stack: Stack) -> None:
    # Ten a second at the most, so that there is load whenever a worker stops.
    stack.start_aws("--recogniser", "fixed:1", "--quota", "jobs=10")
    names = ("one", "two", "three")
    settings = {"lease": LEASE, "max_running_jobs": "10"}
    workers = {name: stack.start_worker(name, **settings) for name in names}
    recording = stack.sample("silence.wav")
    ids: list[str] = []
    for done, name in enumerate(names, start=1):
        ids += stack.client.submit_many(
            {"audio": str(recording), "name": f"rolling-{len(ids) + number}"}
            for number in range(60)
        )
        stack.completed(15 * done)
        until(lambda: stack.client.counts()[JobState.TRANSCRIBING] >= 3, what="load")
        workers[name].terminate()
        wait_for_end(workers[name])
        stack.start_worker(name, **settings)
    started_once(stack, ids)


def one_slow_upload(stack: Stack, grace: str) -> subprocess.Popen[bytes]:
    """A worker whose one job waits long for S3; another worker stands by."""
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.fault(operation="PutObject", kind="timeout", seconds=100, times=1, match="audio")
    stack.client.submit(stack.sample("silence.wav"), name="slow")
    leaving = stack.start_worker("leaving", lease=LEASE, stop_grace=grace)
    stack.job_in("slow", JobState.UPLOADING)
    stack.start_worker("staying", lease=LEASE)
    return leaving


def events(stack: Stack, worker: str) -> list[str]:
    return [line["event"] for line in stack.log(worker)]


def handed_over(stack: Stack) -> None:
    """Who left has not waited until S3 let it finish; the other did the work, once."""
    assert "upload.done" not in events(stack, "leaving")
    started_once(stack, ["slow"])


def test_what_outlasts_the_grace_is_handed_over(stack: Stack) -> None:
    leaving = one_slow_upload(stack, grace="1")
    leaving.terminate()
    wait_for_end(leaving)
    assert "worker.cold_shutdown" in events(stack, "leaving")
    handed_over(stack)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_second_signal_does_not_wait_for_the_grace(stack: Stack, second: signal.Signals) -> None:
    leaving = one_slow_upload(stack, grace="1000")
    leaving.terminate()
    until(lambda: "worker.warm_shutdown" in events(stack, "leaving"))
    assert leaving.poll() is None
    leaving.send_signal(second)
    wait_for_end(leaving)
    handed_over(stack)


def test_sighup_is_a_stop_like_any_other(stack: Stack) -> None:
    leaving = one_slow_upload(stack, grace="1")
    leaving.send_signal(signal.SIGHUP)
    wait_for_end(leaving)
    assert events(stack, "leaving").count("worker.cold_shutdown") == 1
    handed_over(stack)


def test_sighup_does_not_start_an_idle_worker_anew(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    leaving = stack.start_worker("leaving")
    leaving.send_signal(signal.SIGHUP)
    wait_for_end(leaving)
    assert stack.client.fleet.alive() == []


def test_sigquit_does_not_wait_at_all(stack: Stack) -> None:
    leaving = one_slow_upload(stack, grace="1000")
    leaving.send_signal(signal.SIGQUIT)
    wait_for_end(leaving)
    handed_over(stack)
