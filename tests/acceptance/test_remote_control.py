"""`celery inspect`, and so Flower, reaches the workers; what is sent that way cannot end them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from producer.contract.job import JobState
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long


def ping(stack: Stack) -> bool:
    """Whether a worker answers `celery inspect ping`."""
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "inspect", "ping", "--timeout", "3"],
        env={**os.environ, **stack.environment},
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode == 0 and "pong" in done.stdout


def test_it_answers_also_after_redis_was_restarted_under_running_tasks(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    stack.block(operation="PutObject", match="audio")
    worker = stack.start_worker()
    recording = stack.sample("silence.wav")
    ids = stack.client.submit_many(
        {"audio": str(recording), "name": f"slow-{number}"} for number in range(3)
    )
    # A message is acknowledged when its task is done: on a connection that is gone by then.
    until(lambda: stack.client.counts()[JobState.UPLOADING] == 3)
    stack.stop_redis(signal.SIGKILL)
    stack.start_redis_again()
    stack.clear_faults()
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert worker.poll() is None
    until(lambda: ping(stack))
    # That the messages could not be acknowledged is no crash, and does not look like one.
    crashes = [line["event"] for line in stack.log() if "exception" in line]
    assert not [event for event in crashes if "ack" in event]


def test_what_is_no_command_is_refused(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    worker = stack.start_worker()
    until(lambda: ping(stack))
    for entry in ("garbage", "{}", "[]", "7", '"text"', '{"properties": 7}', "[" * 100_000):
        assert stack.broker.command("PUBLISH", "/0.celery.pidbox", entry) > 0
    until(lambda: any(line["event"] == "command.refused" for line in stack.log()))
    assert ping(stack)
    assert worker.poll() is None
