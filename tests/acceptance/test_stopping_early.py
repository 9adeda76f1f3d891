"""A worker that gets a signal to stop while it starts ends orderly, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]


def start(stack: Stack) -> subprocess.Popen[bytes]:
    """A worker that is not waited for."""
    with (stack.folder / "early.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "worker", "worker"],
            env={**os.environ, **stack.environment},
            cwd=stack.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def said(stack: Stack) -> str:
    return (stack.folder / "early.txt").read_text()


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process answers a signal itself."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = int(next(line for line in status if line.startswith("SigCgt:")).split()[1], 16)
    return bool(mask >> (number - 1) & 1)


def connected(stack: Stack) -> bool:
    """Whether somebody beside the test has a connection to Redis."""
    return len(stack.broker.command("CLIENT", "LIST").splitlines()) > 2


def answers(_stack: Stack, pid: int) -> bool:
    return catches(pid, signal.SIGTERM)


def knows_redis(stack: Stack, _pid: int) -> bool:
    return connected(stack)


def shows_banner(stack: Stack, _pid: int) -> bool:
    return "[queues]" in said(stack)


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        *((answers, number) for number in STOP_SIGNALS),
        (knows_redis, signal.SIGTERM),
        (knows_redis, signal.SIGQUIT),
        (shows_banner, signal.SIGINT),
        (shows_banner, signal.SIGHUP),
    ],
    ids=lambda each: each.name if isinstance(each, signal.Signals) else each.__name__,
)
def test_at_every_moment_it_ends_with_0(
    stack: Stack, moment: Callable[[Stack, int], bool], number: signal.Signals
) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    worker = start(stack)
    try:
        until(lambda: moment(stack, worker.pid))
        worker.send_signal(number)
        assert worker.wait(timeout=DEADLINE) == 0
    finally:
        worker.kill()
        worker.wait()
    if moment is answers:
        assert said(stack) == "worker: stopped before it had started.\n"
    assert "Traceback" not in said(stack)
    assert stack.client.fleet.alive() == []


def test_a_tool_is_interrupted_as_ever(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    tool = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "worker", "inspect", "ping", "--timeout", "60"],
        env={**os.environ, **stack.environment},
        cwd=stack.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: connected(stack))
        assert not catches(tool.pid, signal.SIGTERM)
    finally:
        tool.kill()
        tool.wait()
