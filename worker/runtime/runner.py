"""Runs stages: acquire the lease of an entry, let the stage's handler work, sort what it raises.

Three frames: `run` (a Celery message), `run_leased` (an entry under a lease), and the handler's
own `run`, here or in a process of its own.
"""

import structlog

from producer.backend.schedule import Lease
from producer.contract.job import WORKER_LOST
from producer.errors import BrokerUnavailable
from worker.errors import Crashed, LimitReached, Permanent, Snooze, Throttled, Transient
from worker.leases import LeaseLost, ShuttingDown
from worker.runtime.concurrency import ConcurrencyLimit
from worker.runtime.context import Context, context
from worker.runtime.isolation import IsolatedProcessLost, IsolationNeeded, run_isolated
from worker.runtime.retry_delay import AFTER_CRASH, AFTER_THROTTLING, retry_delay
from worker.runtime.work import Handler, Work

log = structlog.get_logger()

#: A stage at which so many workers stalled runs in a process of its own from then on.
ISOLATE_AFTER = 2
#: Isolated processes that a stage may cost, and crashes that it may meet, until it is abandoned.
MAX_WORKERS_LOST = 3
MAX_CRASHES = 5


def run(handler: Handler, entry_id: str) -> None:
    """Run a stage on an entry, if it is due and no other worker's."""
    worker = context()
    most = handler.max_large(worker.settings.concurrency)
    limit = worker.limits.setdefault(handler.stage, ConcurrencyLimit(most))
    names = {"task": handler.stage.task, handler.entry: entry_id}
    with structlog.contextvars.bound_contextvars(**names):
        try:
            lease = worker.schedule.acquire(handler.stage, entry_id)
            if lease is None:
                log.debug("stage.skipped")  # done already, or another worker is at it
            else:
                run_leased(worker, handler, lease, limit)
        except BrokerUnavailable as error:
            # A worker repeats what was not recorded once the lease has expired.
            log.warning("redis.unavailable", reason=str(error))


def run_leased(
    worker: Context, handler: Handler, lease: Lease, limit: ConcurrencyLimit | None = None
) -> None:
    """Run a stage on a leased entry, and say in Redis how that ended.

    Raises:
        BrokerUnavailable: if Redis does not answer.
    """
    attempt = {"attempt": int(lease.record["attempt"])} if lease.record else {}
    with (
        structlog.contextvars.bound_contextvars(**attempt),
        worker.leases.keep(lease) as guard,
        Work(worker, lease, guard, limit) as work,
    ):
        try:
            try:
                guard.check()
                _run_stage(handler, work)
            except Exception as error:  # noqa: BLE001 - sorted there, and logged if unexpected
                handle_error(handler, work, error)
        except LeaseLost:
            log.info("stage.lease_lost")


def _run_stage(handler: Handler, work: Work) -> None:
    if work.lease.stalled_count >= ISOLATE_AFTER and not work.worker.isolated:
        run_isolated(work.lease, work.guard)
        return
    try:
        handler.run(work)
    except IsolationNeeded:
        run_isolated(work.lease, work.guard)


def handle_error(handler: Handler, work: Work, error: Exception) -> None:
    """Say what becomes of an entry whose work raised: every failure passes through here.

    Raises:
        LeaseLost: if the entry is another worker's by now, or the job was stopped.
        BrokerUnavailable: if Redis does not answer.
    """
    stage = work.lease.stage
    match error:
        case LeaseLost() | BrokerUnavailable():
            raise error
        case ShuttingDown():
            log.info("stage.handed_back")
            work.snooze(0)
        case Permanent():
            handler.abandon(work, error)
        case Snooze():
            log.debug("stage.snoozed", reason=error.message, seconds=error.seconds)
            has_started = not isinstance(error, LimitReached)
            work.snooze(error.seconds, seen=error.seen, has_started=has_started)
        case Throttled():
            log.info("account.throttled", reason=error.message)
            work.worker.admission.throttled(error.operation, AFTER_THROTTLING)
            work.snooze(retry_delay(work.waited))
        case Transient():
            log.warning("stage.retried_later", code=error.code, reason=error.message)
            work.snooze(retry_delay(work.waited))
        case IsolatedProcessLost():
            message = f"The {stage} ended its isolated processes ({error})."
            _count_crash(handler, work, Crashed(WORKER_LOST, message), MAX_WORKERS_LOST)
        case _:
            log.error("stage.crashed", exc_info=error)
            message = f"The {stage} met an unexpected {type(error).__name__}; see the log."
            _count_crash(handler, work, Crashed("Crashed", message), MAX_CRASHES)


def _count_crash(handler: Handler, work: Work, error: Crashed, maximum: int) -> None:
    failed = work.worker.schedule.record_failure(work.lease, maximum, AFTER_CRASH)
    log.warning(
        "stage.try_failed", code=error.code, reason=error.message, failed=failed, maximum=maximum
    )
    if failed >= maximum:
        handler.abandon(work, error)
