"""What a stage gets and what it is: `Work`, one entry under a lease, and `Handler`, its rules."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import ClassVar, Self

import structlog

from producer.backend.connection import Argument
from producer.backend.identities import Offer
from producer.backend.job_store import error_fields
from producer.backend.rate_limiter import Operation
from producer.backend.schedule import Lease, clock
from producer.contract.job import Job, JobState
from producer.contract.stages import Stage, Steps
from worker.account.calls import rate_limited
from worker.aws.transcribe import Gate
from worker.errors import Permanent
from worker.leases import LeaseGuard, LeaseLost
from worker.runtime.concurrency import ConcurrencyLimit
from worker.runtime.context import Context

log = structlog.get_logger()

_ACTIVE_STATES = tuple(state for state in JobState if not state.is_terminal)


class Work:
    """One stage's work on one entry, while its lease lasts.

    A handler ends it in one of four ways: `advance` (the job moves on), `snooze` (nothing went
    wrong, but it is not time yet), `complete`, or an error of `worker.errors`. What moves or fails
    a job raises LeaseLost if the job is not ours to move any more. What counts as large does so
    until the end of a `with` of the work.
    """

    def __init__(
        self,
        worker: Context,
        lease: Lease,
        guard: LeaseGuard,
        limit: ConcurrencyLimit | None = None,
    ) -> None:
        self.worker = worker
        self.lease = lease
        self.guard = guard
        self._limit = limit
        self._counts = ExitStack()
        self._is_large = False
        self._job = Job.from_record(lease.entry_id, lease.record) if lease.record else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._counts.close()
        self._is_large = False

    @property
    def job(self) -> Job:
        """The job, as its record was when the work began; the poll has none."""
        if self._job is None:
            raise LeaseLost
        return self._job

    def advance(self, to: JobState, steps: Steps | None = None, /, **fields: Argument) -> None:
        """Move the job on, with what follows by `FOLLOWS`; of the stages in `steps`, by that."""
        self.advance_other(self.job, to, steps, **fields)

    def enter(self, to: JobState, **fields: str) -> None:
        """Move the job on, and go on with it under the same lease."""
        self.advance(to, {self.lease.stage: "none"}, **fields)
        moved = {"state": to.value, f"at.{to}": str(self.lease.acquired_at)} | fields
        self.lease = replace(self.lease, record=self.lease.record | moved)
        self._job = Job.from_record(self.lease.entry_id, self.lease.record)

    def advance_other(
        self, job: Job, to: JobState, steps: Steps | None = None, /, **fields: Argument
    ) -> None:
        """The same for another job than the leased one: the poll moves those that have ended."""
        self._move(job, to, steps, fields)

    def advance_completed(
        self, steps: Steps, fields: Mapping[str, Argument], offer: Offer | None
    ) -> None:
        """Complete the job, and in the same step record the result that it has for its twins."""
        self._move(self.job, JobState.COMPLETED, steps, fields, offer)

    def _move(
        self,
        job: Job,
        to: JobState,
        steps: Steps | None,
        fields: Mapping[str, Argument],
        offer: Offer | None = None,
    ) -> None:
        moved = self.worker.store.advance(self.lease, job.id, [job.state], to, steps, fields, offer)
        if not moved:
            raise LeaseLost
        log.info("job.moved", job_id=job.id, state=to.value)

    def fail(self, job: Job, code: str, message: str) -> None:
        """Fail a job: whatever stage fails one does it here."""
        fields = error_fields(code, message, self.lease.stage.value)
        if not self.worker.store.advance(
            self.lease, job.id, _ACTIVE_STATES, JobState.FAILED, None, fields
        ):
            raise LeaseLost
        log.warning("job.failed", job_id=job.id, code=code, reason=message)

    def snooze(self, seconds: float, *, seen: str = "", has_started: bool = True) -> None:
        """Be due again in `seconds`; nothing went wrong, and nothing is counted.

        The job's record keeps `seen`, what this try has seen of the job, with the time. Where
        nothing has begun, how often the stage stalled and crashed before stays counted.
        """
        self.worker.schedule.release(self.lease, seconds, seen=seen, has_started=has_started)

    def complete(self, **fields: Argument) -> None:
        """Be done with the entry without moving the job, whose record has `fields` from then on."""
        self.worker.schedule.complete(self.lease, fields)

    def limit_concurrency(self) -> None:
        """Count the work as large, before it begins; once, however often it turns out to be.

        Raises:
            LimitReached: if this process is at work on enough of that kind.
        """
        if self._limit is not None and not self._is_large:
            request = self.job.request
            weight = self.worker.settings.tenant_weights.get(request.tenant, 1.0)
            self._counts.enter_context(
                self._limit.acquired(request.tenant, request.priority, weight)
            )
            self._is_large = True

    def rate_limited(self, operation: Operation, patience: float | None = None) -> Gate:
        """What a call to Amazon Transcribe is sent within: see `rate_limited` of account.calls."""
        return partial(rate_limited, self.worker.admission, self.guard, operation, patience)

    def now(self) -> float:
        """The time by Redis's clock, in seconds since 1970."""
        acquired_at = self.lease.expires_at - self.worker.schedule.lease
        return self.lease.acquired_at + clock() - acquired_at

    @property
    def waited(self) -> float:
        """Seconds that the job has been in its state, by Redis's clock on both ends."""
        return (
            0.0 if self._job is None else self.lease.acquired_at - self._job.updated_at.timestamp()
        )


class Handler(ABC):
    """The rules of one stage. The runner knows no more of a stage than this."""

    #: which it is: its task, its queue and its name in a job's error
    stage: ClassVar[Stage]
    #: what the log calls an entry of this stage
    entry: ClassVar[str] = "job_id"

    @abstractmethod
    def run(self, work: Work) -> None:
        """Do the work: the effect first, then the record, and with it what follows.

        Raises:
            StageError: as `worker.errors` sorts what can go wrong.
            LeaseLost, ShuttingDown: if the work has to stop.
        """

    def abandon(self, work: Work, error: Permanent) -> None:
        """End work that can never succeed: the job fails, unless a stage says otherwise."""
        work.fail(work.job, error.code, error.message)

    def max_large(self, concurrency: int) -> int:
        """How many large works a process of `concurrency` threads does at once; by default all."""
        return concurrency
