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
from producer.backend.schedule import Hold, clock
from producer.contract.job import Job, JobState, Stage
from producer.errors import BrokerUnavailable
from worker.errors import NoSeat, NotYet, Permanent, SlotsTaken, Throttled, Transient
from worker.ingress import accept
from worker.leases import STOPPING, HandBack, Lease, LeaseLost
from worker.runtime.concurrency import Seat
from worker.runtime.context import Context, context
from worker.runtime.isolation import ProcessLost, ProcessWanted, run_apart

log = structlog.get_logger()

ACTIVE_STATES = tuple(state for state in JobState if not state.is_terminal)
#: A stage that so many workers went silent at is run in a process of its own from then on.
SUSPECT_AFTER = 2
#: Processes that a stage may take with it, and crashes that it may meet, before it is given up.
MOST_DEATHS = 3
MOST_CRASHES = 5
#: Seconds between two such tries.
_TRY_AGAIN = 5.0
_LONGEST_BACKOFF = 30.0


class Work:
    """One stage's work on one entry, while its lease holds."""

    def __init__(self, worker: Context, hold: Hold, lease: Lease, seat: Seat | None = None) -> None:
        self.worker = worker
        self._seat = seat
        self.hold = hold
        self.lease = lease
        self._job = Job.from_record(hold.member, hold.record) if hold.record else None

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
        moved = self.worker.store.advance(self.hold, job.id, [job.state], to, follows, fields)
        if not moved:
            raise LeaseLost
        log.info("job.moved", job_id=job.id, state=to.value)

    def fail(self, job: Job, code: str, message: str) -> None:
        """The one door for failure: whatever ends a job badly is recorded here."""
        stage = self.hold.stage.value
        fields = error_fields(code, message, stage)
        if not self.worker.store.advance(
            self.hold, job.id, ACTIVE_STATES, JobState.FAILED, "", fields
        ):
            raise LeaseLost
        log.warning("job.failed", job_id=job.id, code=code, reason=message)

    def take_seat(self) -> None:
        """Say that the work is large, before it is begun.

        Raises:
            NoSeat: if this process is at work on enough of that kind; or if others are in line, and
                the seat, which stays taken, is for whose turn it is.
        """
        if self._seat is None or self._seat.taken:
            return
        self._seat.take()
        # This job may be one of them, as all in line look for themselves now and then.
        if self.worker.schedule.is_line(self.hold.stage):
            raise NoSeat("NoSeat", "A seat is free, and it may be another's turn.")

    def later(self, seconds: float, *, seen: str = "") -> None:
        """Snooze: be due again in `seconds`. Nothing went wrong, nothing is counted.

        What was `seen` of a job, if anything, is kept in its record, with the time.
        """
        self.worker.schedule.put_off(self.hold, seconds, seen=seen)

    def finish(self) -> None:
        """Be done with the entry without moving the job."""
        self.worker.schedule.finish(self.hold)

    def back_off(self) -> float:
        """Seconds to wait after a hiccup: longer the longer the job has been in this state."""
        longer = max(1.0, self.waited / 2)
        return min(_LONGEST_BACKOFF, longer) * random.uniform(0.7, 1.3)  # noqa: S311

    def now(self) -> float:
        """The time by Redis's clock, in seconds since 1970."""
        begun = self.hold.until - self.worker.schedule.lease
        return self.hold.begun_at + clock() - begun

    @property
    def waited(self) -> float:
        """Seconds that the job has been in its state, by Redis's clock on both ends."""
        return 0.0 if self._job is None else self.hold.begun_at - self._job.updated_at.timestamp()


#: What each stage does, as `tasks` tells it.
_FUNCTIONS: dict[Stage, Callable[[Work], None]] = {}


def admit(worker: Context) -> None:
    """Start as many READY jobs as the account has free slots and permits for."""
    for job_id in worker.admission.admit():
        log.debug("job.admitted", job_id=job_id)


def stage(app: Celery, which: Stage) -> Callable[[Callable[[Work], None]], Any]:
    """Make a function the Celery task of a stage."""

    def register(function: Callable[[Work], None]) -> Any:
        def run(member: str) -> None:
            seat = context().seats.seat(which)
            try:
                _run_all(context(), which, member, seat)
            finally:
                seat.leave()

        _FUNCTIONS[which] = function
        run.__doc__ = function.__doc__
        return app.task(name=which.task)(run)

    return register


def _run_all(worker: Context, which: Stage, member: str, seat: Seat) -> None:
    """Run a stage, and as long as it sits on a seat, the same stage of those in line for it."""
    while member:
        entry = {"message" if which is Stage.SUBMIT else "job_id": member}
        with structlog.contextvars.bound_contextvars(task=which.task, **entry):
            _run(worker, which, member, seat)
            member = _next(worker, which) if seat.taken and not STOPPING.is_set() else ""


def _next(worker: Context, which: Stage) -> str:
    try:
        return worker.schedule.next_in_line(which, worker.settings.tenant_weights)
    except BrokerUnavailable as error:
        log.warning("redis.unavailable", reason=str(error))
        return ""


def _run(worker: Context, which: Stage, member: str, seat: Seat) -> None:
    try:
        hold = worker.schedule.begin(which, member)
    except BrokerUnavailable as error:
        log.warning("redis.unavailable", reason=str(error))
        return
    if hold is None:
        log.debug("stage.passed")  # done already, or another worker is at it
    elif hold.lapses >= SUSPECT_AFTER:
        _hold(worker, hold, lambda work: run_apart(work.hold, work.lease))
    else:
        run_here(worker, hold, seat)


def run_here(worker: Context, hold: Hold, seat: Seat | None = None) -> None:
    """Run the stage of a hold in this process."""
    _hold(worker, hold, _FUNCTIONS[hold.stage], seat)


def _hold(
    worker: Context, hold: Hold, function: Callable[[Work], None], seat: Seat | None = None
) -> None:
    try:
        with (
            structlog.contextvars.bound_contextvars(attempt=int(hold.record.get("attempt", 1))),
            worker.leases.keep(hold) as lease,
        ):
            _work(Work(worker, hold, lease, seat), function)
    except BrokerUnavailable as error:
        # What was not recorded is done again once the lease has lapsed.
        log.warning("redis.unavailable", reason=str(error))
    except LeaseLost:
        log.info("stage.lost")


def _work(work: Work, function: Callable[[Work], None]) -> None:
    try:
        work.lease.check()
        _do(work, function)
    except HandBack:
        log.info("stage.handed_back")
        work.later(0)
    except Permanent as error:
        give_up(work, error)
    except NotYet as error:
        log.debug("stage.not_yet", reason=error.message, seconds=error.seconds)
        work.later(error.seconds, seen=error.seen)
    except SlotsTaken as error:
        log.info("account.full", reason=error.message)
        work.worker.admission.full()
        work.advance(JobState.READY, "ready-first")
    except Throttled as error:
        log.info("account.throttled", reason=error.message)
        work.worker.admission.throttled(error.operation, 1.0)
        work.later(work.back_off())
    except Transient as error:
        log.warning("stage.put_off", code=error.code, reason=error.message)
        work.later(work.back_off())
    except (BrokerUnavailable, LeaseLost):
        raise
    except ProcessLost as error:
        message = f"The {work.hold.stage} took down the processes that it ran in alone ({error})."
        _failed_try(work, Permanent("WorkerLost", message), MOST_DEATHS)
    except Exception as error:
        log.exception("stage.crashed")
        message = f"The {work.hold.stage} met an unexpected {type(error).__name__}; see the log."
        _failed_try(work, Permanent("Crashed", message), MOST_CRASHES)


def _do(work: Work, function: Callable[[Work], None]) -> None:
    try:
        function(work)
    except NoSeat:
        log.debug("stage.in_line")
        work.worker.schedule.stand_in_line(work.hold)
    except ProcessWanted:
        run_apart(work.hold, work.lease)


def _failed_try(work: Work, error: Permanent, most: int) -> None:
    failed = work.worker.schedule.failed_try(work.hold, most, _TRY_AGAIN)
    log.warning("stage.try_failed", code=error.code, reason=error.message, failed=failed, most=most)
    if failed < most:
        return
    if work.hold.stage is Stage.START:
        # It may run at AWS, which only another try can tell.
        work.later(_LONGEST_BACKOFF)
    else:
        give_up(work, error)


def give_up(work: Work, error: Permanent) -> None:
    """A stage will never work."""
    if work.hold.stage is Stage.CLEANUP:
        log.warning("cleanup.gave_up", code=error.code, reason=error.message)
        work.worker.store.cleaned(work.hold, error.message)
    elif work.hold.stage is Stage.SUBMIT:
        accept.refuse(work.worker, work.hold.member, error.message)
        work.finish()
    elif work.hold.stage is Stage.ADOPT:
        log.error("adoption.given_up", code=error.code, reason=error.message)
        work.worker.adoptions.end(work.hold, error=error.message)
    elif work.hold.stage is Stage.POLL:
        log.error("poll.refused", code=error.code, reason=error.message)
        work.later(_LONGEST_BACKOFF)
    elif work.job.state.is_terminal:
        work.finish()
    else:
        work.fail(work.job, error.code, error.message)
