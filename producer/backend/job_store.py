"""The changes of a job in Redis: it is created, moves, and ends, each by one script."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Literal

from producer.backend import keys
from producer.backend.connection import Argument, Broker
from producer.backend.identities import Offer
from producer.backend.job_records import JobRecords
from producer.backend.schedule import Lease
from producer.contract.job import OVERDUE, REFUSED, JobState
from producer.contract.stages import CLEANUP_AFTER, STAGE_OF, Stage, Steps
from producer.contract.submission import Submission
from producer.errors import JobExists, JobNotFound, WrongState

#: The upload queue has at most so many messages; further jobs wait as entries.
SUBMIT_ROOM = 64
_BATCH = 500
#: So many jobs are recorded in one step, in which Redis does nothing else for some milliseconds.
_AT_ONCE = 50
#: Longer than any deadline may be.
KEY_REMEMBERED = 100 * 86400
#: Seconds until a job that was stopped at Transcribe is cleaned up: a result comes up to two
#: seconds after Transcribe says that the job has ended.
_SETTLED_AFTER = CLEANUP_AFTER + 1

Answer = Literal["created", "same", "different"]


class JobStore(JobRecords):
    """Creates, moves and ends jobs, each in one step of Redis."""

    def __init__(self, broker: Broker, *, retention: int, lease: float) -> None:
        """Keep ended jobs `retention` seconds; `lease` is the schedule's, in seconds."""
        super().__init__(broker)
        self._retention = retention
        self._lease = lease

    # -- creating -------------------------------------------------------------------------------

    def record(
        self, submissions: Iterable[Submission], *, deadline: float, at_once: bool
    ) -> Iterator[list[tuple[str, Answer]]]:
        """Record jobs in pipelined batches; yields for each batch the ids with what became of them.

        'same' and 'different': the id is taken by the same or by another request.

        Args:
            submissions: what to record.
            deadline: seconds for those that name none.
            at_once: send a message for each, while the queue is short, instead of queueing it
                for the dispatchers by turns and priority.
        """
        source = iter(submissions)
        room = SUBMIT_ROOM if at_once else 0
        while batch := list(islice(source, _BATCH)):
            jobs = [
                {
                    "id": each.job_id,
                    "request": each.request,
                    "deadline": each.deadline or deadline,
                    "priority": each.priority,
                    "audio": each.audio,
                    "tenant": each.tenant,
                }
                for each in batch
            ]
            calls = (
                {
                    "lease": self._lease,
                    "room": room,
                    "cleanup": Stage.CLEANUP,
                    "jobs": jobs[start : start + _AT_ONCE],
                }
                for start in range(0, len(jobs), _AT_ONCE)
            )
            answers = chain.from_iterable(self.broker.run_many("submit_jobs", calls))
            yield [(each.job_id, answer) for each, answer in zip(batch, answers, strict=True)]

    # -- moving ---------------------------------------------------------------------------------

    def advance(
        self,
        lease: Lease,
        job_id: str,
        states: Iterable[JobState],
        to: JobState,
        steps: Steps | None = None,
        fields: Mapping[str, Argument] | None = None,
        offer: Offer | None = None,
    ) -> bool:
        """Move a job, with what follows by `FOLLOWS`; False if the lease or the state was lost.

        Of the stages in `steps` the job waits as that says. An `offer` is recorded in the same
        step.
        """
        return bool(
            self.broker.run(
                "advance_job",
                stage=lease.stage,
                entry=lease.entry_id,
                token=lease.token,
                id=job_id,
                **{"from": list(states)},
                to=to,
                steps=dict(steps or {}),
                lease=self._lease,
                retention=self._retention,
                fields=dict(fields or {}),
                offer=offer.arguments if offer is not None else {},
            )
        )

    def reserve_key(self, key: str, job_id: str) -> str:
        """Reserve what stands for an S3 key and for all that is written beside it for a job.

        Returns '', or the id of the unfinished job that has it.
        """
        return str(
            self.broker.run(
                "reserve_key",
                key=key,
                id=job_id,
                seconds=KEY_REMEMBERED,
                cleanup=Stage.CLEANUP,
            )
        )

    def record_upload(self, lease: Lease, upload_id: str) -> bool:
        """Note that an upload in parts was begun for a job; False if the lease was lost."""
        return bool(self.broker.run("record_upload", **lease.arguments, upload=upload_id))

    def settle(
        self,
        lease: Lease,
        job_id: str,
        what: Literal["running", "ended"],
        fields: Mapping[str, Argument] | None = None,
    ) -> bool:
        """Say how a job that was stopped meanwhile stands at AWS."""
        return bool(
            self.broker.run(
                "settle_stopped",
                stage=lease.stage,
                entry=lease.entry_id,
                token=lease.token,
                id=job_id,
                is_running=what == "running",
                cleanup=Stage.CLEANUP,
                cleanup_after=_SETTLED_AFTER,
                fields=dict(fields or {}),
            )
        )

    def cancel(self, job_id: str) -> None:
        """End a job by request; one that is cancelled already stays so.

        Raises:
            JobNotFound: if there is no such record.
            WrongState: if it has ended otherwise.
        """
        self._move(job_id, JobState.CANCELLED, {})

    def fail_overdue(self) -> list[str]:
        """Fail the jobs that are past their deadline; returns the ids of those that it failed."""
        seconds, _ = self.broker.command("TIME")
        overdue = self.broker.command(
            "ZRANGEBYSCORE", str(keys.DEADLINES), "-inf", seconds, "LIMIT", 0, 100
        )
        failed = []
        for job_id, job in self.get_many(overdue).items():
            if job is None or job.state.is_terminal:
                self.broker.command("ZREM", str(keys.DEADLINES), job_id)
                continue
            message = f"The job was still {job.state} at its deadline."
            error = error_fields(OVERDUE, message, STAGE_OF[job.state])
            # It may have ended meanwhile.
            with suppress(JobNotFound, WrongState):
                if self._move(job_id, JobState.FAILED, error):
                    failed.append(job_id)
        return failed

    def _move(self, job_id: str, to: JobState, fields: Mapping[str, str]) -> bool:
        """Move a job by nobody's lease; False if it is in that state already.

        Raises:
            JobNotFound: if there is no such record.
            WrongState: if it may not make that move.
        """
        cleanup_after = {
            # The worker that uploads it has to notice first that it lost its lease.
            JobState.UPLOADING: self._lease,
            JobState.READY: 0,
            JobState.COLLECTING: 0,
        }
        if to is JobState.CANCELLED:
            # A job of the same name, which Redis has forgotten, may have left something.
            cleanup_after[JobState.QUEUED] = 0
        answer = self.broker.run(
            "move_job",
            id=job_id,
            to=to,
            retention=self._retention,
            drops=[Stage.UPLOAD, Stage.COLLECT],
            cleanup=Stage.CLEANUP,
            cleanup_after=cleanup_after,
            fields=dict(fields),
        )
        if answer == "":
            raise JobNotFound(f"There is no job {job_id!r}.")
        if answer not in {"ok", to}:
            raise WrongState(f"Job {job_id!r} is {answer}, so it cannot become {to}.")
        return bool(answer == "ok")

    def retry(self, job_id: str, deadline: float) -> None:
        """Fetch what was paid for of a job that ended badly, or start a new attempt.

        Raises:
            JobNotFound: if there is no such record.
            WrongState: if it did not end badly, or is still being stopped.
        """
        answer = self.broker.run(
            "retry_job",
            id=job_id,
            deadline=deadline,
            busy_in=[stage for stage in Stage if stage.is_of_job],
        )
        if answer == "":
            raise JobNotFound(f"There is no job {job_id!r}.")
        if answer == "busy":
            raise WrongState(f"Job {job_id!r} is still being stopped; try again in a moment.")
        if answer == "refused":
            raise WrongState(f"The request of {job_id!r} was refused: submit it anew, corrected.")
        if answer != "ok":
            raise WrongState(
                f"Job {job_id!r} is {answer}; only a FAILED or CANCELLED one is retried."
            )

    def start_new_attempt(self, lease: Lease) -> bool:
        """Start a new attempt of a retried job that has nothing to fetch; False if it was lost."""
        return bool(self.broker.run("start_attempt", **lease.arguments))

    def refuse(self, job_id: str, request: str, reason: str) -> None:
        """Record a request that can never be carried out as a FAILED job, if the name is free."""
        self.broker.run(
            "record_refused",
            id=job_id,
            request=request,
            retention=self._retention,
            fields=error_fields(REFUSED, reason, Stage.SUBMIT),
        )

    # -- housekeeping ---------------------------------------------------------------------------

    def prune(self) -> None:
        """Remove jobs whose records have expired from the lists by state."""
        seconds, _ = self.broker.command("TIME")
        horizon = float(seconds) - self._retention
        self.broker.commands(
            ("ZREMRANGEBYSCORE", keys.STATE(state), "-inf", horizon)
            for state in JobState
            if state.is_terminal
        )


def error_fields(code: str, message: str, stage: str) -> dict[str, str]:
    """The fields of a record that say why its job failed."""
    return {"error.code": code, "error.message": message[:1000], "error.stage": stage}


def name_used(job_id: str) -> JobExists:
    """The error for an id that another request has."""
    return JobExists(
        f"The name {job_id!r} is used by a different request. Choose another name, or omit it."
    )
