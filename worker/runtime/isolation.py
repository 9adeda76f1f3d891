"""A stage that took workers down is run in a process of its own, so that it takes down no more.

So is one that would keep the others waiting: Python runs one thread at a time.

Leases lapse for many reasons: somebody kills workers, a machine fails, Redis stands still. None of
them is the job's fault, however often it happens. But when the process that ran nothing but this
stage ends while the worker beside it lives, there is no doubt.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import IO, cast

import structlog

from producer.backend.schedule import Lease, clock
from producer.contract.job import Stage
from producer.errors import BrokerUnavailable
from worker import logs
from worker.leases import LeaseGuard
from worker.runtime.background import guarded, run_in_background
from worker.runtime.context import Context, context

log = structlog.get_logger()

#: Each takes the memory of a worker.
_MAX_AT_ONCE = 4
_PLACES = threading.BoundedSemaphore(_MAX_AT_ONCE)
_POLL_EVERY = 0.5
#: Seconds; a permit lasts no longer for a long lease.
_RENEW_EVERY = 3.0
_PR_SET_PDEATHSIG = 1


class IsolatedProcessLost(Exception):
    """The process of a stage has ended without a word."""


class IsolationNeeded(Exception):
    """The stage is one for a process of its own."""


def run_isolated(lease: Lease, guard: LeaseGuard) -> None:
    """Run the stage of a hold in a process of its own, and wait for its end.

    Raises:
        ProcessLost: if it was killed, or crashed.
        LeaseLost, HandBack: as the lease says; the process is ended then.
    """
    with _PLACES:
        command = [sys.executable, "-m", "worker.runtime.isolation", str(os.getpid())]
        # A session of its own, so that Ctrl-C is this process's to answer.
        child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
        log.info("stage.apart", pid=child.pid)
        try:
            _tell(child, lease)
            while child.poll() is None:
                guard.check()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_POLL_EVERY)
            guard.check()
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0:
        raise IsolatedProcessLost(f"exit code {child.returncode}")


def _tell(child: subprocess.Popen[bytes], lease: Lease) -> None:
    # One that is killed at once hears nothing, which its exit code tells.
    with suppress(BrokenPipeError):
        stdin = cast("IO[bytes]", child.stdin)
        stdin.write(json.dumps(asdict(lease)).encode())
        stdin.close()


def main() -> None:
    """The process: one hold comes by standard input."""
    _end_with_parent(int(sys.argv[1]))
    # Where memory is short, this is the process to end.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    fields = json.load(sys.stdin)
    lease = Lease(**fields | {"stage": Stage(fields["stage"])})
    ours = context()
    ours.isolated = True
    # It ends before there is garbage worth looking for, which with much in memory takes long.
    gc.disable()
    logs.configure(ours.settings.log_format, ours.settings.log_level)
    run_in_background("renew", lambda: renew(ours, threading.Event()))
    # What each stage does is told by `tasks`; `stages` itself imports this module.
    import_module("worker.tasks")
    stages = import_module("worker.runtime.runner")
    if (held := _still_held(ours, lease)) is not None:
        stages.run_here(ours, held)


def _still_held(worker: Context, lease: Lease) -> Lease | None:
    """The hold with all of its lease before it; None if it was lost.

    Waiting for a place and starting this process may have taken longer than a lease, which only the
    worker beside it has renewed.
    """
    until = clock() + worker.schedule.lease
    try:
        (kept,) = worker.schedule.extend([lease])
    except BrokerUnavailable as error:
        log.warning("redis.unavailable", reason=str(error))
        return None
    return replace(lease, expires_at=until) if kept else None


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def renew(worker: Context, ended: threading.Event) -> None:
    """Renew the leases and permits of this process, as elsewhere the dispatcher does."""
    while not ended.wait(min(worker.settings.lease / 3, _RENEW_EVERY)):
        with guarded("leases"):
            worker.leases.extend()
        with guarded("permits"):
            worker.admission.extend()


if __name__ == "__main__":
    main()
