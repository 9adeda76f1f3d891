"""Cleanups go on behind a backlog when a worker dies."""

from __future__ import annotations

import signal

import pytest

from producer.backend import keys
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.long

#: More cleanups than a dispatcher reads to find some that need not wait.
NUMBER = 230
#: Deletes at Transcribe a second, over the fleet.
RATE = 3
_SCHEDULE = keys.SCHEDULE("cleanup")
_TOKENS = keys.LEASE("cleanup")


def at_work(stack: Stack) -> list[str]:
    """The jobs whose cleanup a worker is at."""
    found: dict[str, str] = stack.broker.command("HGETALL", _TOKENS)
    return [name for name, token in found.items() if token != "0"]


def test_one_killed_worker_does_not_stop_all_cleaning_up(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1", "--quota", "start=off,jobs=off")
    # Those that are at it stay at it, so all others wait.
    stack.fault(operation="DeleteTranscriptionJob", kind="timeout", seconds=600)
    doomed = stack.start_worker("doomed", delete_rate=str(RATE), start_rate="1000")
    recording = stack.sample("silence.wav")
    stack.client.submit_many(
        {"audio": str(recording), "name": f"job-{each}", "cleanup": True} for each in range(NUMBER)
    )

    def due() -> int:
        return int(stack.broker.command("ZCOUNT", _SCHEDULE, "-inf", stack.now()))

    until(lambda: due() > 200 and len(at_work(stack)) >= RATE)
    doomed.kill()
    doomed.wait()
    cut_off = at_work(stack)
    stack.clear_faults()
    stack.start_worker("heir", delete_rate=str(RATE), start_rate="1000")
    until(lambda: all(stack.client.get(name).cleaned_at for name in cut_off))
    # And so do those that wait.
    until(lambda: due() < 200)


def test_doctor_says_what_is_due_and_no_worker_does(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.1")
    worker = stack.start_worker()
    # Alive by its heartbeat, and idle.
    worker.send_signal(signal.SIGSTOP)
    stack.client.submit(stack.sample("silence.wav"), name="one")
    stack.client.cancel("one")
    stack.broker.command("ZADD", _SCHEDULE, stack.now() - 400, "one")
    said = stack.transcribe("doctor")
    worker.send_signal(signal.SIGCONT)
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("FIX")]
    assert line.startswith("FIX  stage cleanup: 1 due, and no living worker has started any for 4")
    assert "restart" in line
    assert said.returncode == 1
    until(lambda: stack.transcribe("doctor").returncode == 0)
