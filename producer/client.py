"""What services use: submit requests, wait for jobs, read results."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from producer.backend.access import check_access
from producer.backend.connection import Broker
from producer.backend.dead_letters import DeadLetters
from producer.backend.job_store import JobStore, name_used
from producer.backend.kept_results import KeptResults
from producer.backend.recoveries import Recoveries
from producer.backend.workers import Fleet
from producer.contract.job import Job, JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.submission import Submission
from producer.errors import (
    BrokerUnavailable,
    InvalidRequest,
    JobFailed,
    ResultUnavailable,
)
from producer.settings import ProducerSettings
from producer.transcript.transcript import Transcript
from producer.waiting import as_they_end


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
        #: whether a check before the first submission found all rights that we need
        self._allowed = False
        self._store = JobStore(self._broker, retention=settings.retention, lease=settings.lease)
        self._results = KeptResults(self._broker, retention=settings.retention)
        #: the workers, by their heartbeats
        self.fleet = Fleet(self._broker)
        #: messages that workers refused
        self.dead_letters = DeadLetters(self._broker)
        #: recoveries of jobs that Redis has lost
        self.recoveries = Recoveries(
            self._broker, retention=settings.retention, lease=settings.lease
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._broker.close()

    # -- submitting -----------------------------------------------------------------------------

    def submit(self, audio: str | Path | TranscriptionRequest, **options: object) -> Job:
        """Record one job, and hint to the workers that it waits.

        Args:
            audio: a path that workers can read (made absolute here), s3://bucket/key, or a whole
                request.
            options: further fields of `TranscriptionRequest`.

        Raises:
            InvalidRequest: if no worker can ever do what the request says.
            JobExists: if a different request has its name.
            BrokerUnusable: if Redis refuses us until a setting changes.
            BrokerUnavailable: if Redis does not answer for some 10 seconds. Its `accepted` says
                whether the job is recorded; submitting again under its name, which is in
                `job_ids`, is always safe.
        """
        request = audio if isinstance(audio, TranscriptionRequest) else _request(audio, options)
        submission = Submission.of(request)
        self._create([submission], at_once=True)
        try:
            return self.get(submission.job_id)
        except BrokerUnavailable as error:
            raise _unsure(error, [submission.job_id], accepted=True) from error

    def submit_many(
        self,
        requests: Iterable[TranscriptionRequest | Mapping[str, object]],
        *,
        recorded: Callable[[Sequence[str]], None] | None = None,
    ) -> list[str]:
        """Record many jobs in few round trips; return their ids in order.

        Checks all requests before it records the first. Meanwhile it keeps little more than the
        JSON of each, so `requests` may be a generator of a million. The dispatchers of the workers
        find the jobs: tenants take turns, and a tenant's jobs go by priority.

        Args:
            requests: each a request, or a mapping of its fields.
            recorded: called with the ids of some hundred jobs at a time, once Redis has them. Its
                exceptions end the submission and propagate.

        Raises:
            InvalidRequest: if no worker can ever do what one of them says; none is recorded.
            JobExists: if a different request has one of the names; all others were recorded.
            BrokerUnavailable: if Redis does not answer; some may have been recorded. Under their
                names, which are in its `job_ids`, submitting again is always safe.
        """
        submissions = [
            Submission.of(
                request
                if isinstance(request, TranscriptionRequest)
                else TranscriptionRequest.parse(request)
            )
            for request in requests
        ]
        return self._create(submissions, at_once=False, recorded=recorded)

    def _create(
        self,
        submissions: Sequence[Submission],
        *,
        at_once: bool,
        recorded: Callable[[Sequence[str]], None] | None = None,
    ) -> list[str]:
        ids = [each.job_id for each in submissions]
        reached = False
        conflicts: list[str] = []
        try:
            if self._allowed:
                self._broker.command("PING")
            else:
                check_access(self._broker, worker=False)
                self._allowed = True
            reached = True
            for batch in self._store.record(
                submissions, deadline=self._settings.deadline, at_once=at_once
            ):
                conflicts += [job_id for job_id, answer in batch if answer == "different"]
                if recorded is not None:
                    recorded([job_id for job_id, answer in batch if answer != "different"])
        except BrokerUnavailable as error:
            none_recorded = not reached or (error.refused and len(ids) == 1)
            raise _unsure(error, ids, accepted=False if none_recorded else None) from error
        if conflicts:
            raise name_used(conflicts[0])
        return ids

    # -- watching -------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """Read one job.

        Raises:
            JobNotFound: if there is no such job, or its record has expired.
        """
        return self._store.get(job_id)

    def get_many(self, job_ids: Iterable[str]) -> dict[str, Job | None]:
        """Read many jobs in few round trips; None for each that has no record."""
        return self._store.get_many(list(job_ids))

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        return self._store.counts()

    def wait(
        self, job_ids: str | Iterable[str], timeout: float | None = None, *, cleaned: bool = False
    ) -> dict[str, Job]:
        """Wait until all jobs have ended; return them by id, in the order of `job_ids`.

        Args:
            job_ids: one id or several.
            timeout: seconds; None waits for ever.
            cleaned: also wait for the cleanup of those whose requests say `cleanup`.

        Raises:
            WaitTimeout: if they have not all ended in time.
            JobNotFound: if one has no record.
        """
        ids = [job_ids] if isinstance(job_ids, str) else list(job_ids)
        ended = {job.id: job for job in self.as_completed(ids, timeout, cleaned=cleaned)}
        return {job_id: ended[job_id] for job_id in ids}

    def as_completed(
        self,
        job_ids: Iterable[str],
        timeout: float | None = None,
        *,
        cleaned: bool = False,
        meanwhile: Callable[[], None] | None = None,
    ) -> Iterator[Job]:
        """Yield each job as it ends. Other arguments, and the errors, are those of `wait`.

        Args:
            meanwhile: called about once a second while waiting, also while Redis does not answer.
                Its exceptions end the waiting and propagate.
        """
        return as_they_end(self._store, job_ids, timeout, cleaned=cleaned, meanwhile=meanwhile)

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
        document = self._results.get(job_id, "document")
        if document is None:
            document = _read(job, "json")
        return Transcript.from_json(document, language=job.request.one_language)

    def text(self, job_id: str) -> str:
        """The plain text of a completed job; errors are those of `result`."""
        self._completed(job_id)
        text = self._results.get(job_id, "text")
        return self.result(job_id).render("txt") if text is None else text.decode()

    def file(self, job_id: str, kind: str) -> bytes:
        """The content of one file of a completed job, from a disk that this process can read.

        Args:
            job_id: of the job.
            kind: one that `Job.files` has: a format, or what Amazon Transcribe wrote beside its
                document: `aws.srt`, `aws.vtt`; and of a request for `redacted_and_unredacted`,
                `unredacted.json`, which is kept nowhere else.

        Raises:
            JobNotFound: if there is no such job.
            JobFailed: if it ended without a result.
            ResultUnavailable: if it has not ended, has no such file, or this process cannot read
                it.
        """
        return _read(self._completed(job_id), kind)

    def _completed(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job.state.has_result:
            return job
        if job.error is not None:
            raise JobFailed(f"Job {job_id!r} failed: {job.error.message}")
        if job.state is JobState.CANCELLED:
            raise JobFailed(f"Job {job_id!r} was cancelled.")
        raise ResultUnavailable(f"Job {job_id!r} is {job.state}; wait for it first.")

    # -- ending and starting over ---------------------------------------------------------------

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; workers delete what it has at AWS as soon as AWS allows.

        Raises:
            JobNotFound: if there is no such job.
            WrongState: if it has ended otherwise.
        """
        self._store.cancel(job_id)
        return self.get(job_id)

    def retry(self, job_id: str) -> Job:
        """Retry a job that FAILED or was CANCELLED.

        If Transcribe may have a result already, workers fetch it, which costs nothing. They start
        a new attempt, which AWS bills, once it is certain that there is none.

        Raises:
            JobNotFound: if there is no such job.
            WrongState: if it is neither FAILED nor CANCELLED, or workers still stop it.
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


def _read(job: Job, kind: str) -> bytes:
    path = job.files.get(kind)
    if path is None:
        why = (
            "Amazon Transcribe wrote none"
            if kind in job.not_written
            else f"it has {', '.join(job.files)}"
        )
        raise ResultUnavailable(f"Job {job.id!r} has no file {kind}: {why}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultUnavailable(
            f"The file {kind} of job {job.id!r} is in {path} on the worker's disk, which cannot be "
            f"read here: {error.strerror}."
        ) from error


def _unsure(
    error: BrokerUnavailable, ids: Sequence[str], *, accepted: bool | None
) -> BrokerUnavailable:
    """The error of Redis, with a sentence on what it means for the submission."""
    jobs = f"job {ids[0]}" if len(ids) == 1 else f"all {len(ids)} jobs"
    names = "the same name" if len(ids) == 1 else "the same names"
    known = {
        True: f"But {jobs} was recorded.",
        False: "Nothing was recorded.",
        None: f"Whether {jobs} got recorded is not known: submit again under {names}, which is "
        "safe.",
    }[accepted]
    unsure = error.extended(known)
    unsure.accepted, unsure.job_ids = accepted, tuple(ids)
    return unsure


def _request(audio: str | Path, options: Mapping[str, object]) -> TranscriptionRequest:
    if not isinstance(audio, (str, Path)):
        raise InvalidRequest("Invalid request: audio: give a path or s3://bucket/key as text.")
    where = str(audio)
    if not where:
        raise InvalidRequest("Invalid request: audio: give a path or s3://bucket/key.")
    if isinstance(audio, Path) or "://" not in where:
        where = str(Path(where).expanduser().absolute())
    return TranscriptionRequest.parse({"audio": where, **options})
