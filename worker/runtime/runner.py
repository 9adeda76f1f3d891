"""What every stage has in common: hold the job's entry, do the work, say how it ended.

A stage's function gets a `Work`, and ends it in one of four ways: `advance` (the job moves on),
`later` (snooze: nothing went wrong), an error of `worker.errors`, or `finish`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery

from producer.backend.connection import Argument
from producer.backend.job_store import Follows, error_fields
from producer.backend.schedule import Lease, clock
from producer.contract.job import Job, JobState, Stage
from producer.errors import BrokerUnavailable
from worker.errors import LimitReached, Permanent, SlotsFull, Snooze, Throttled, Transient
from worker.ingress import accept
from worker.leases import WARM_SHUTDOWN, LeaseGuard, LeaseLost, ShuttingDown
from worker.runtime.concurrency import LimitedWork
from worker.runtime.context import Context, context
from worker.runtime.isolation import IsolatedProcessLost, IsolationNeeded, run_isolated

log = structlog.get_logger()

ACTIVE_STATES = tuple(state for state in JobState if not state.is_terminal)
#: A stage that so many workers went silent at is run in a process of its own from then on.
ISOLATE_AFTER = 2
#: Processes that a stage may take with it, and crashes that it may meet, before it is given up.
MAX_WORKERS_LOST = 3
MAX_CRASHES = 5
#: Seconds between two such tries.
_TRY_AGAIN = 5.0
_MAX_BACKOFF = 30.0


class Work:
    """One stage's work on one entry, while its lease holds."""

    def __init__(
        self, worker: Context, lease: Lease, guard: LeaseGuard, limited: LimitedWork | None = None
    ) -> None:
        self.worker = worker
        self._seat = limited
        self.lease = lease
        self.guard = guard
        self._job = Job.from_record(lease.entry_id, lease.record) if lease.record else None

    @property
    def job(self) -> Job:
        """The job, as its record was when the work began; the poll has none."""
        if self._job is None:
            raise LeaseLost
        return self._job

    def advance(self, to: JobState, follows: Follows = "", **fields: Argument) -> None:
        """Move the job on, and send word to the stage that follows.

        Raises:
            LeaseLost: if the job is not ours to move any more.
        """
        self.advance_other(self.job, to, follows, **fields)

    def advance_other(
        self, job: Job, to: JobState, follows: Follows = "", **fields: Argument
    ) -> None:
        """The same for another job than the one held: the poll moves those that it sees ended."""
        moved = self.worker.store.advance(self.lease, job.id, [job.state], to, follows, fields)
        if not moved:
            raise LeaseLost
        log.info("job.moved", job_id=job.id, state=to.value)

    def fail(self, job: Job, code: str, message: str) -> None:
        """The one door for failure: whatever ends a job badly is recorded here."""
        stage = self.lease.stage.value
        fields = error_fields(code, message, stage)
        if not self.worker.store.advance(
            self.lease, job.id, ACTIVE_STATES, JobState.FAILED, "", fields
        ):
            raise LeaseLost
        log.warning("job.failed", job_id=job.id, code=code, reason=message)

    def limit_concurrency(self) -> None:
        """Say that the work is large, before it is begun.

        Raises:
            NoSeat: if this process is at work on enough of that kind; or if others are in line, and
                the seat, which stays taken, is for whose turn it is.
        """
        if self._seat is None or self._seat.taken:
            return
        self._seat.take()
        # This job may be one of them, as all in line look for themselves now and then.
        if self.worker.schedule.is_large_queued(self.lease.stage):
            raise LimitReached("NoSeat", "A seat is free, and it may be another's turn.")

    def snooze(self, seconds: float, *, seen: str = "") -> None:
        """Snooze: be due again in `seconds`. Nothing went wrong, nothing is counted.

        What was `seen` of a job, if anything, is kept in its record, with the time.
        """
        self.worker.schedule.release(self.lease, seconds, seen=seen)

    def complete(self) -> None:
        """Be done with the entry without moving the job."""
        self.worker.schedule.complete(self.lease)

    def back_off(self) -> float:
        """Seconds to wait after a hiccup: longer the longer the job has been in this state."""
        longer = max(1.0, self.waited / 2)
        return min(_MAX_BACKOFF, longer) * random.uniform(0.7, 1.3)  # noqa: S311

    def now(self) -> float:
        """The time by Redis's clock, in seconds since 1970."""
        begun = self.lease.expires_at - self.worker.schedule.lease
        return self.lease.acquired_at + clock() - begun

    @property
    def waited(self) -> float:
        """Seconds that the job has been in its state, by Redis's clock on both ends."""
        return (
            0.0 if self._job is None else self.lease.acquired_at - self._job.updated_at.timestamp()
        )


#: What each stage does, as `tasks` tells it.
_FUNCTIONS: dict[Stage, Callable[[Work], None]] = {}


def admit(worker: Context) -> None:
    """Start as many READY jobs as the account has free slots and permits for."""
    for job_id in worker.admission.admit():
        log.debug("job.admitted", job_id=job_id)


def stage(app: Celery, which: Stage) -> Callable[[Callable[[Work], None]], Any]:
    """Make a function the Celery task of a stage."""

    def register(function: Callable[[Work], None]) -> Any:
        def run(entry_id: str) -> None:
            limited = context().limits.limited(which)
            try:
                _run_all(context(), which, entry_id, limited)
            finally:
                limited.leave()

        _FUNCTIONS[which] = function
        run.__doc__ = function.__doc__
        return app.task(name=which.task)(run)

    return register


def _run_all(worker: Context, which: Stage, entry_id: str, limited: LimitedWork) -> None:
    """Run a stage, and as long as it sits on a seat, the same stage of those in line for it."""
    while entry_id:
        entry = {"message" if which is Stage.SUBMIT else "job_id": entry_id}
        with structlog.contextvars.bound_contextvars(task=which.task, **entry):
            _run(worker, which, entry_id, limited)
            entry_id = _next(worker, which) if limited.taken and not WARM_SHUTDOWN.is_set() else ""


def _next(worker: Context, which: Stage) -> str:
    try:
        return worker.schedule.next_large(which, worker.settings.tenant_weights)
    except BrokerUnavailable as error:
        log.warning("redis.unavailable", reason=str(error))
        return ""


def _run(worker: Context, which: Stage, entry_id: str, limited: LimitedWork) -> None:
    try:
        lease = worker.schedule.acquire(which, entry_id)
    except BrokerUnavailable as error:
        log.warning("redis.unavailable", reason=str(error))
        return
    if lease is None:
        log.debug("stage.passed")  # done already, or another worker is at it
    elif lease.stalled_count >= ISOLATE_AFTER:
        _hold(worker, lease, lambda work: run_isolated(work.lease, work.guard))
    else:
        run_here(worker, lease, limited)


def run_here(worker: Context, lease: Lease, limited: LimitedWork | None = None) -> None:
    """Run the stage of a hold in this process."""
    _hold(worker, lease, _FUNCTIONS[lease.stage], limited)


def _hold(
    worker: Context,
    lease: Lease,
    function: Callable[[Work], None],
    limited: LimitedWork | None = None,
) -> None:
    try:
        with (
            structlog.contextvars.bound_contextvars(attempt=int(lease.record.get("attempt", 1))),
            worker.leases.keep(lease) as guard,
        ):
            _work(Work(worker, lease, guard, limited), function)
    except BrokerUnavailable as error:
        # What was not recorded is done again once the lease has lapsed.
        log.warning("redis.unavailable", reason=str(error))
    except LeaseLost:
        log.info("stage.lost")


def _work(work: Work, function: Callable[[Work], None]) -> None:
    try:
        work.guard.check()
        _do(work, function)
    except ShuttingDown:
        log.info("stage.handed_back")
        work.snooze(0)
    except Permanent as error:
        give_up(work, error)
    except Snooze as error:
        log.debug("stage.not_yet", reason=error.message, seconds=error.seconds)
        work.snooze(error.seconds, seen=error.seen)
    except SlotsFull as error:
        log.info("account.full", reason=error.message)
        work.worker.admission.full()
        work.advance(JobState.READY, "ready-first")
    except Throttled as error:
        log.info("account.throttled", reason=error.message)
        work.worker.admission.throttled(error.operation, 1.0)
        work.snooze(work.back_off())
    except Transient as error:
        log.warning("stage.put_off", code=error.code, reason=error.message)
        work.snooze(work.back_off())
    except (BrokerUnavailable, LeaseLost):
        raise
    except IsolatedProcessLost as error:
        message = f"The {work.lease.stage} took down the processes that it ran in alone ({error})."
        _failed_try(work, Permanent("WorkerLost", message), MAX_WORKERS_LOST)
    except Exception as error:
        log.exception("stage.crashed")
        message = f"The {work.lease.stage} met an unexpected {type(error).__name__}; see the log."
        _failed_try(work, Permanent("Crashed", message), MAX_CRASHES)


def _do(work: Work, function: Callable[[Work], None]) -> None:
    try:
        function(work)
    except LimitReached:
        log.debug("stage.in_line")
        work.worker.schedule.queue_large(work.lease)
    except IsolationNeeded:
        run_isolated(work.lease, work.guard)


def _failed_try(work: Work, error: Permanent, most: int) -> None:
    failed = work.worker.schedule.record_failure(work.lease, most, _TRY_AGAIN)
    log.warning("stage.try_failed", code=error.code, reason=error.message, failed=failed, most=most)
    if failed < most:
        return
    if work.lease.stage is Stage.START:
        # It may run at AWS, which only another try can tell.
        work.snooze(_MAX_BACKOFF)
    else:
        give_up(work, error)


def give_up(work: Work, error: Permanent) -> None:
    """A stage will never work."""
    if work.lease.stage is Stage.CLEANUP:
        log.warning("cleanup.gave_up", code=error.code, reason=error.message)
        work.worker.store.record_cleanup(work.lease, error.message)
    elif work.lease.stage is Stage.SUBMIT:
        accept.refuse(work.worker, work.lease.entry_id, error.message)
        work.complete()
    elif work.lease.stage is Stage.RECOVER:
        log.error("recovery.given_up", code=error.code, reason=error.message)
        work.worker.recoveries.end(work.lease, error=error.message)
    elif work.lease.stage is Stage.POLL:
        log.error("poll.refused", code=error.code, reason=error.message)
        work.snooze(_MAX_BACKOFF)
    elif work.job.state.is_terminal:
        work.complete()
    else:
        work.fail(work.job, error.code, error.message)
