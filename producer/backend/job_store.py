"""The job records in Redis: the one truth about every job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal

from producer.backend import keys
from producer.backend.connection import Argument, Broker
from producer.backend.next_step import CLEANUP_AFTER, Follows, next_step
from producer.backend.schedule import Lease
from producer.contract.job import REFUSED, Job, JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import STAGE_OF, Stage
from producer.contract.submission import Submission
from producer.errors import JobExists, JobNotFound, WrongState

#: Up to this many messages lie in the upload queue; further jobs wait as entries.
SUBMIT_ROOM = 64
#: In a record that was rebuilt after a loss: it is not known for which audio it was submitted.
ANY_AUDIO = "*"
_BATCH = 500
#: So many jobs are recorded in one step, in which Redis does nothing else for some milliseconds.
_AT_ONCE = 50
#: Longer than any deadline may be.
KEY_REMEMBERED = 100 * 86400

Answer = Literal["created", "same", "different"]


@dataclass(frozen=True)
class Event:
    """A job entered a state (or was cleaned)."""

    id: str
    job_id: str
    state: JobState


class JobStore:
    """Creates, moves, reads and ends jobs, each in one step of Redis."""

    def __init__(self, broker: Broker, *, retention: float, lease: float) -> None:
        """Keep ended jobs `retention` seconds; `lease` is the schedule's, in seconds."""
        self.broker = broker
        self._retention = retention
        self._lease = lease

    # -- creating -------------------------------------------------------------------------------

    def create(
        self,
        requests: Iterable[tuple[str, TranscriptionRequest]],
        *,
        deadline: float,
        at_once: bool,
    ) -> Iterator[tuple[str, Answer]]:
        """Record jobs (id, request); the rest is as `record` does it, job by job."""
        submissions = (Submission.of(request, job_id) for job_id, request in requests)
        for batch in self.record(submissions, deadline=deadline, at_once=at_once):
            yield from batch

    def record(
        self, submissions: Iterable[Submission], *, deadline: float, at_once: bool
    ) -> Iterator[list[tuple[str, Answer]]]:
        """Record jobs in pipelined batches; yields for each batch the ids with what became of them.

        'same' and 'different': the id is taken by the same or by another request.

        Args:
            submissions: what to record.
            deadline: seconds for those that name none.
            at_once: send a message for each, while the queue is short, instead of putting it in
                line for the dispatchers to take up by turns and priority.
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
                {"lease": self._lease, "room": room, "jobs": jobs[start : start + _AT_ONCE]}
                for start in range(0, len(jobs), _AT_ONCE)
            )
            answers = chain.from_iterable(self.broker.run_many("submit_jobs", calls))
            yield [(each.job_id, answer) for each, answer in zip(batch, answers, strict=True)]

    # -- reading --------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Read one job.

        Raises:
            JobNotFound: if there is no such record.
        """
        job = self.get_many([job_id])[job_id]
        if job is None:
            raise JobNotFound(
                f"There is no job {job_id!r}. `transcribe list` shows those there are."
            )
        return job

    def get_many(self, job_ids: Sequence[str]) -> dict[str, Job | None]:
        """Read many jobs; None for each that has no record."""
        jobs: dict[str, Job | None] = {}
        for start in range(0, len(job_ids), _BATCH):
            batch = job_ids[start : start + _BATCH]
            records = self.broker.commands(("HGETALL", keys.JOB(i)) for i in batch)
            for job_id, record in zip(batch, records, strict=True):
                jobs[job_id] = Job.from_record(job_id, _mapping(record)) if record else None
        return jobs

    def newest(self, states: Iterable[JobState], limit: int) -> list[Job]:
        """The jobs that entered one of `states` last, newest first, at most `limit`."""
        calls = [("ZREVRANGE", keys.STATE(s), 0, limit - 1, "WITHSCORES") for s in states]
        found: list[tuple[float, str]] = []
        for answer in self.broker.commands(calls):
            found.extend((float(score), job_id) for job_id, score in _pairs(answer))
        ids = [job_id for _, job_id in sorted(found, reverse=True)[:limit]]
        return [job for job in self.get_many(ids).values() if job is not None]

    def ids(self, state: JobState) -> list[str]:
        """The ids of every job in a state."""
        return list(self.broker.command("ZRANGE", keys.STATE(state), 0, -1))

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        answers = self.broker.commands(("ZCARD", keys.STATE(s)) for s in JobState)
        return {state: int(count) for state, count in zip(JobState, answers, strict=True)}

    def last_event(self) -> str:
        """The place in the event stream to listen from, so that nothing later is missed."""
        newest = self.broker.command("XREVRANGE", str(keys.EVENTS), "+", "-", "COUNT", 1)
        return str(newest[0][0]) if newest else "0-0"

    def events(self, after: str, seconds: float) -> list[Event]:
        """Wait up to `seconds` for events after `after`."""
        return [
            Event(entry, fields["job"], JobState(fields["state"]))
            for entry, fields in self.broker.read_events(str(keys.EVENTS), after, seconds)
        ]

    # -- moving ---------------------------------------------------------------------------------

    def advance(
        self,
        lease: Lease,
        job_id: str,
        states: Iterable[JobState],
        to: JobState,
        follows: Follows = "",
        fields: Mapping[str, Argument] | None = None,
    ) -> bool:
        """Move a job and hand it on to what follows; False if the hold or the state was lost."""
        return bool(
            self.broker.run(
                "advance_job",
                stage=lease.stage,
                entry=lease.entry_id,
                token=lease.token,
                id=job_id,
                **{"from": list(states)},
                to=to,
                next_step=next_step(follows),
                lease=self._lease,
                retention=self._retention,
                fields=dict(fields or {}),
            )
        )

    def reserve_key(self, key: str, job_id: str) -> str:
        """Reserve what stands for an S3 key and for all that is written beside it for a job.

        Returns '', or the id of the unfinished job that has it.
        """
        return str(self.broker.run("reserve_key", key=key, id=job_id, seconds=KEY_REMEMBERED))

    def record_upload(self, lease: Lease, upload_id: str) -> bool:
        """Note that an upload in parts was begun for a job; False if the hold was lost."""
        return bool(
            self.broker.run(
                "record_upload",
                stage=lease.stage,
                id=lease.entry_id,
                token=lease.token,
                upload=upload_id,
            )
        )

    def uploads(self, job_id: str) -> frozenset[str]:
        """S3's ids of the uploads in parts that were begun for a job."""
        fields = self.broker.command("HKEYS", keys.JOB(job_id))
        return frozenset(
            name.removeprefix("upload.") for name in fields if name.startswith("upload.")
        )

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
                cleanup_after=CLEANUP_AFTER,
                fields=dict(fields or {}),
            )
        )

    def record_cleanup(self, lease: Lease, reason: str = "") -> bool:
        """Say that a job was cleaned, or why it could not be."""
        return bool(
            self.broker.run("complete_cleanup", id=lease.entry_id, token=lease.token, reason=reason)
        )

    def cancel(self, job_id: str) -> None:
        """End a job by request; one that is cancelled already stays so.

        Raises:
            JobNotFound: if there is no such record.
            WrongState: if it has ended otherwise.
        """
        state = self._stop(job_id, JobState.CANCELLED, {})
        if state == "":
            raise JobNotFound(f"There is no job {job_id!r}.")
        if state in {JobState.COMPLETED, JobState.FAILED}:
            raise WrongState(f"Job {job_id!r} is {state} already, so it cannot be cancelled.")

    def fail_overdue(self) -> list[str]:
        """Fail the jobs that are past their deadline; returns their ids."""
        seconds, _ = self.broker.command("TIME")
        overdue = self.broker.command(
            "ZRANGEBYSCORE", str(keys.DEADLINES), "-inf", seconds, "LIMIT", 0, 100
        )
        for job_id, job in self.get_many(overdue).items():
            if job is None or job.state.is_terminal:
                self.broker.command("ZREM", str(keys.DEADLINES), job_id)
                continue
            message = f"The job was still {job.state} at its deadline."
            error = error_fields("DeadlineExceeded", message, STAGE_OF[job.state])
            self._stop(job_id, JobState.FAILED, error)
        return list(overdue)

    def _stop(self, job_id: str, to: JobState, fields: Mapping[str, str]) -> str:
        return str(
            self.broker.run(
                "stop_job",
                id=job_id,
                to=to,
                retention=self._retention,
                lease=self._lease,
                fields=dict(fields),
            )
        )

    def retry(self, job_id: str, deadline: float) -> None:
        """Fetch what was paid for of a job that ended badly, or start a new attempt.

        Raises:
            JobNotFound: if there is no such record.
            WrongState: if it did not end badly, or is still being stopped.
        """
        answer = self.broker.run("retry_job", id=job_id, deadline=deadline)
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
        return bool(self.broker.run("start_attempt", id=lease.entry_id, token=lease.token))

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
        """Take jobs whose records have expired out of the lists by state."""
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


def _mapping(answer: Any) -> dict[str, str]:
    """A hash as a dict, flat (RESP2) or as a map (RESP3)."""
    if isinstance(answer, dict):
        return answer
    return dict(zip(answer[::2], answer[1::2], strict=True))


def _pairs(answer: list[Any]) -> list[tuple[str, float]]:
    """Members and scores, flat (RESP2) or as pairs (RESP3)."""
    if not (answer and isinstance(answer[0], (list, tuple))):
        answer = list(zip(answer[::2], answer[1::2], strict=True))
    return [(str(entry_id), float(score)) for entry_id, score in answer]
