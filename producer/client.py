"""What services use: submit requests, wait for jobs, read results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from producer.broker import Broker
from producer.contract import Job, JobState, TranscriptionRequest
from producer.dead_letters import DeadLetters
from producer.errors import (
    InvalidRequest,
    JobFailed,
    JobNotFound,
    ResultUnavailable,
    WaitTimeout,
)
from producer.fleet import Fleet
from producer.settings import ProducerSettings
from producer.store import JobStore, taken
from producer.transcript import Transcript

#: Waiting is pushed by the event stream; this often, in seconds, the records are looked at too,
#: for the case that the stream was trimmed or lost.
_RECHECK = 30.0


class Client:
    """A producer's connection to the queue. Safe to share between threads."""

    def __init__(
        self, redis_url: str | None = None, *, settings: ProducerSettings | None = None
    ) -> None:
        """Connect to `redis_url`, else to TRANSCRIBE_REDIS_URL, when first used.

        Raises:
            InvalidSettings: if a setting is missing or wrong.
        """
        settings = settings or ProducerSettings.load()
        if redis_url is not None:
            settings = settings.model_copy(update={"redis_url": redis_url})
        self._settings = settings
        self._broker = Broker(settings.redis_url)
        self._store = JobStore(self._broker, retention=settings.retention, lease=settings.lease)
        #: the workers, as their heartbeats tell
        self.fleet = Fleet(self._broker)
        #: messages that could not be taken
        self.dead_letters = DeadLetters(self._broker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._broker.close()

    # -- submitting -----------------------------------------------------------------------------

    def submit(self, audio: str | Path | TranscriptionRequest, **options: object) -> Job:
        """Record one job and send it on its way.

        Args:
            audio: a path that workers can read (made absolute here), s3://bucket/key, or a whole
                request.
            options: further fields of `TranscriptionRequest`.

        Raises:
            InvalidRequest: if the request can never be carried out as written.
            JobExists: if its name is taken by a different request.
            BrokerUnavailable: if Redis does not answer. Unless the name is your own you cannot know
                whether the job was taken; under its name, submitting again is always safe.
        """
        request = audio if isinstance(audio, TranscriptionRequest) else _request(audio, options)
        return self.get(self._create([request], at_once=True)[0])

    def submit_many(
        self, requests: Iterable[TranscriptionRequest | Mapping[str, object]]
    ) -> list[str]:
        """Record many jobs in few round trips; returns their ids in order.

        All requests are checked before the first is recorded. Workers take the jobs up by
        themselves, priority first.

        Raises:
            InvalidRequest: if one of them can never be carried out; none was recorded.
            JobExists: if a name is taken by a different request; all others were recorded.
            BrokerUnavailable: if Redis does not answer.
        """
        checked = [
            request
            if isinstance(request, TranscriptionRequest)
            else TranscriptionRequest.parse(request)
            for request in requests
        ]
        return self._create(checked, at_once=False)

    def _create(self, requests: Sequence[TranscriptionRequest], *, at_once: bool) -> list[str]:
        ids: list[str] = []
        conflicts: list[str] = []
        named = ((request.new_job_id(), request) for request in requests)
        created = self._store.create(named, deadline=self._settings.deadline, at_once=at_once)
        for job_id, answer in created:
            ids.append(job_id)
            if answer == "different":
                conflicts.append(job_id)
        if conflicts:
            raise taken(conflicts[0])
        return ids

    # -- watching -------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Read one job.

        Raises:
            JobNotFound: if there is no such job, or its record has expired.
        """
        return self._store.get(job_id)

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        return self._store.counts()

    def wait(
        self, job_ids: str | Iterable[str], timeout: float | None = None, *, cleaned: bool = False
    ) -> dict[str, Job]:
        """Wait until all jobs have ended; returns them by id, in the order given.

        Args:
            job_ids: one id or several.
            timeout: seconds; None waits for ever.
            cleaned: wait for the cleaning up of those that asked for it, too.

        Raises:
            WaitTimeout: if they have not all ended in time.
            JobNotFound: if one has no record.
        """
        ids = [job_ids] if isinstance(job_ids, str) else list(job_ids)
        ended = {job.id: job for job in self.as_completed(ids, timeout, cleaned=cleaned)}
        return {job_id: ended[job_id] for job_id in ids}

    def as_completed(
        self, job_ids: Iterable[str], timeout: float | None = None, *, cleaned: bool = False
    ) -> Iterator[Job]:
        """Yield each job as it ends. Arguments and errors are those of `wait`."""
        pending = set(job_ids)
        limit = None if timeout is None else time.monotonic() + timeout
        # Listen first, then look: what happens between the two is heard.
        last = self._store.last_event()
        suspects = set(pending)
        recheck = 0.0
        while True:
            for job in self._ended(suspects, cleaned=cleaned):
                pending.discard(job.id)
                yield job
            if not pending:
                return
            if time.monotonic() >= recheck:
                recheck = time.monotonic() + _RECHECK
            left = recheck - time.monotonic()
            if limit is not None:
                left = min(left, limit - time.monotonic())
                if left <= 0:
                    raise WaitTimeout(
                        f"{len(pending)} of the jobs had not ended after {timeout:g} s, "
                        f"such as {min(pending)!r}. They go on; wait again to see them end."
                    )
            events = self._store.events(last, left)
            last = events[-1].id if events else last
            suspects = {event.job_id for event in events if event.state.is_terminal} & pending
            if time.monotonic() >= recheck:
                suspects = set(pending)

    def _ended(self, job_ids: set[str], *, cleaned: bool) -> list[Job]:
        ended = []
        for job_id, job in self._store.get_many(sorted(job_ids)).items():
            if job is None:
                raise JobNotFound(f"There is no job {job_id!r}.")
            unclean = job.request.cleanup and not (job.cleaned_at or job.cleanup_error)
            if job.state.is_terminal and not (
                cleaned and unclean and job.state is JobState.COMPLETED
            ):
                ended.append(job)
        return ended

    # -- results --------------------------------------------------------------------------------

    def result(self, job_id: str) -> Transcript:
        """The whole transcript of a completed job: words, times, speakers, alternatives.

        Raises:
            JobNotFound: if there is no such job.
            JobFailed: if it ended without a result.
            ResultUnavailable: if it has not ended, or its document is neither in Redis nor on a
                disk that this process can read.
        """
        job = self._completed(job_id)
        document = self._store.result(job_id, "document")
        path = job.files.get("json")
        if document is None and path is not None and path.is_file():
            document = path.read_bytes()
        if document is None:
            raise ResultUnavailable(
                f"The document of job {job_id!r} was too large to keep in Redis or has expired; "
                f"it is in {path} on the worker's disk."
            )
        return Transcript.from_json(document)

    def text(self, job_id: str) -> str:
        """The plain text of a completed job; errors are those of `result`."""
        self._completed(job_id)
        text = self._store.result(job_id, "text")
        return self.result(job_id).to_text() if text is None else text.decode()

    def _completed(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job.state is JobState.COMPLETED:
            return job
        if job.error is not None:
            raise JobFailed(f"Job {job_id!r} failed: {job.error.message}")
        if job.state is JobState.CANCELLED:
            raise JobFailed(f"Job {job_id!r} was cancelled.")
        raise ResultUnavailable(f"Job {job_id!r} is {job.state}; wait for it first.")

    # -- ending and starting over ---------------------------------------------------------------

    def cancel(self, job_id: str) -> Job:
        """End a job; what it left in S3 and in Transcribe is deleted as soon as AWS allows.

        Raises:
            JobNotFound: if there is no such job.
            WrongState: if it has ended otherwise.
        """
        self._store.cancel(job_id)
        return self.get(job_id)

    def retry(self, job_id: str) -> Job:
        """Start a new attempt of a job that FAILED or was CANCELLED.

        Raises:
            JobNotFound: if there is no such job.
            WrongState: if it did not end badly, or is still being stopped.
        """
        job = self.get(job_id)
        self._store.retry(job_id, job.request.deadline or self._settings.deadline)
        return self.get(job_id)

    def failed(self) -> Sequence[str]:
        """The ids of all FAILED jobs, for retrying them."""
        return self._store.ids(JobState.FAILED)

    def list(self, states: Iterable[JobState] = JobState, limit: int = 50) -> list[Job]:
        """The jobs that entered one of `states` last, newest first."""
        return self._store.newest(states, limit)


def _request(audio: str | Path, options: Mapping[str, object]) -> TranscriptionRequest:
    if not isinstance(audio, (str, Path)):
        raise InvalidRequest("Invalid request: audio: give a path or s3://bucket/key as text.")
    where = str(audio)
    if not where:
        raise InvalidRequest("Invalid request: audio: give a path or s3://bucket/key.")
    if isinstance(audio, Path) or "://" not in where:
        where = str(Path(where).expanduser().absolute())
    return TranscriptionRequest.parse({"audio": where, **options})
