"""Isolation: a stage at which workers died runs in a process of its own, and kills no more of them.

So does work that would keep the others waiting, for Python runs one thread at a time.

Leases expire for many reasons: somebody kills workers, a machine fails, Redis stands still. None of
them is the job's fault, however often it happens. But when the process that runs nothing but this
stage ends while the worker beside it lives, the job is a poison pill.
"""

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import IO, cast

import structlog

from producer.backend.schedule import Lease
from worker.leases import LeaseGuard

log = structlog.get_logger()

#: Isolated processes at once: each needs the memory of a worker.
_MAX_AT_ONCE = 4
_FREE = threading.BoundedSemaphore(_MAX_AT_ONCE)
_CHECK_EVERY = 0.5


class IsolatedProcessLost(Exception):
    """The process of an isolated stage ended without a word."""


class IsolationNeeded(Exception):
    """The work is for a process of its own."""


def run_isolated(lease: Lease, guard: LeaseGuard) -> None:
    """Run the stage of a lease in a process of its own (`worker.isolated`), and wait for its end.

    Raises:
        IsolatedProcessLost: if it was killed, or crashed.
        LeaseLost, ShuttingDown: as the lease says; the process is ended then.
    """
    with _FREE:
        command = [sys.executable, "-m", "worker.isolated", str(os.getpid())]
        # A session of its own, so that Ctrl-C is this process's to answer.
        child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
        log.info("stage.isolated", pid=child.pid)
        try:
            _send(child, lease)
            while child.poll() is None:
                guard.check()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_CHECK_EVERY)
            guard.check()
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0:
        raise IsolatedProcessLost(f"exit code {child.returncode}")


def _send(child: subprocess.Popen[bytes], lease: Lease) -> None:
    # A process that is killed at once reads nothing, which its exit code says.
    with suppress(BrokenPipeError):
        stdin = cast("IO[bytes]", child.stdin)
        stdin.write(json.dumps(asdict(lease)).encode())
        stdin.close()
