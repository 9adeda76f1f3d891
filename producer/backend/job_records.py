"""The job records in Redis, the one truth about every job, and the stream of their moves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from producer.backend import keys
from producer.backend.connection import Broker
from producer.contract.job import Job, JobState
from producer.errors import JobNotFound

_BATCH = 500


@dataclass(frozen=True)
class Event:
    """A job entered a state (or was cleaned)."""

    id: str
    job_id: str
    state: JobState


class JobRecords:
    """Reads jobs."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

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
                jobs[job_id] = Job.from_record(job_id, record) if record else None
        return jobs

    def newest(self, states: Iterable[JobState], limit: int) -> list[Job]:
        """The jobs that entered one of `states` last, newest first, at most `limit`."""
        calls = [("ZREVRANGE", keys.STATE(s), 0, limit - 1, "WITHSCORES") for s in states]
        found: list[tuple[float, str]] = []
        for answer in self.broker.commands(calls):
            found += [(float(score), job_id) for job_id, score in answer]
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

    def uploads(self, job_id: str) -> frozenset[str]:
        """S3's ids of the uploads in parts that were begun for a job."""
        fields = self.broker.command("HKEYS", keys.JOB(job_id))
        return frozenset(
            name.removeprefix("upload.") for name in fields if name.startswith("upload.")
        )
