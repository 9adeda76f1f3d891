"""The process of one isolated stage: `python -m worker.isolated PARENT_PID`, a lease on stdin."""

import ctypes
import gc
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import structlog

from producer.backend.schedule import Lease, clock
from producer.contract.stages import Stage
from producer.errors import BrokerUnavailable
from worker import logs
from worker.background import guarded, run_in_background
from worker.runtime.context import Context, context
from worker.runtime.runner import run_leased
from worker.tasks import HANDLERS

log = structlog.get_logger()

#: Seconds; a token lasts no longer for a long lease.
_EXTEND_EVERY = 3.0
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the stage of the lease, and nothing else."""
    _end_with_parent(int(sys.argv[1]))
    # Where memory is short, this is the process to end.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    fields = json.load(sys.stdin)
    lease = Lease(**fields | {"stage": Stage(fields["stage"])})
    worker = context()
    worker.isolated = True
    # It ends before there is garbage worth looking for, which with much in memory is slow.
    gc.disable()
    logs.configure(worker.settings.log_format, worker.settings.log_level)
    run_in_background("extend", lambda: extend(worker, threading.Event()))
    try:
        if (extended := _extended(worker, lease)) is not None:
            run_leased(worker, HANDLERS[lease.stage], extended)
    except BrokerUnavailable as error:
        log.warning("redis.unavailable", reason=str(error))


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _extended(worker: Context, lease: Lease) -> Lease | None:
    """The lease, extended to its full length; None if it was lost.

    This process may have taken longer to start than a lease lasts. Meanwhile only the worker that
    started it has extended the lease.
    """
    until = clock() + worker.schedule.lease
    (is_ours,) = worker.schedule.extend([lease])
    return replace(lease, expires_at=until) if is_ours else None


def extend(worker: Context, ended: threading.Event) -> None:
    """Extend the lease and the tokens of this process, as in a worker the dispatcher does."""
    while not ended.wait(min(worker.settings.lease / 3, _EXTEND_EVERY)):
        with guarded("leases"):
            worker.leases.extend()
        with guarded("tokens"):
            worker.admission.limiter.extend()


if __name__ == "__main__":
    main()
