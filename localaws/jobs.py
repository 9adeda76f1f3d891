"""The account's transcription jobs: their states, their order, and who may run.

QUEUED (deferred only) -> IN_PROGRESS -> COMPLETED | FAILED
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from localaws.errors import ServiceError, bad_request
from localaws.objects import ACCOUNT_ID

Json = dict[str, Any]

#: Deferred jobs that an account may have waiting (Amazon Transcribe quotas).
MAX_DEFERRED = 10_000


@dataclass(frozen=True, slots=True)
class Location:
    """Where the results go. `base_url` is how the client that started the job reaches S3."""

    bucket: str
    key: str
    base_url: str
    own_bucket: bool

    def uri(self, key: str) -> str:
        return f"{self.base_url}/{self.bucket}/{key}"


@dataclass(slots=True, eq=False)
class Job:
    """One job. Only JobTable changes it; read it under the table's lock, as a record.

    Times are seconds since the epoch.
    """

    sequence: int
    name: str
    region: str
    request: Json
    location: Location
    created: float
    status: str = "QUEUED"
    started: float | None = None
    completed: float | None = None
    failure_reason: str | None = None
    subtitle_uris: list[str] = field(default_factory=list)
    #: Found out by the recogniser and reported like the service does.
    found: Json = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    deleted: bool = False
    #: The monotonic clock at the start: how long it ran does not depend on clock changes.
    clock: float = 0.0

    @property
    def arn(self) -> str:
        return f"arn:aws:transcribe:{self.region}:{ACCOUNT_ID}:transcription-job/{self.name}"

    @property
    def ended(self) -> bool:
        return self.status in {"COMPLETED", "FAILED"}


class JobTable:
    """All jobs of the account, of every region. Safe between threads."""

    def __init__(self, limit: int | None) -> None:
        self.lock = threading.RLock()
        self._limit = limit
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, Job] = {}
        self._waiting: dict[str, Job] = {}
        #: Every job ever accepted, in order, deleted ones too.
        self.history: list[Job] = []
        self.most_running = 0

    @property
    def running(self) -> int:
        return len(self._running)

    def start(self, name: str, region: str, request: Json, location: Location) -> Job:
        """Add a job: it runs at once, or waits if it may and no place is free.

        Raises ServiceError: ConflictException, LimitExceededException.
        """
        deferrable = request.get("JobExecutionSettings", {}).get("AllowDeferredExecution", False)
        with self.lock:
            self.check_free(name)
            full = self._limit is not None and len(self._running) >= self._limit
            if full and (not deferrable or len(self._waiting) >= MAX_DEFERRED):
                raise ServiceError(
                    "LimitExceededException",
                    f"The account runs {len(self._running)} transcription jobs at once, which is "
                    "all it may: wait until one has ended and try again.",
                )
            job = Job(len(self.history), name, region, request, location, time.time())
            job.tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
            self.history.append(job)
            self._jobs[name] = job
            if full:
                self._waiting[name] = job
            else:
                self._run(job)
            return job

    def check_free(self, name: str) -> None:
        """Raises ServiceError (ConflictException) where a job has this name."""
        with self.lock:
            if name in self._jobs:
                raise ServiceError(
                    "ConflictException", f"A transcription job named {name} already exists."
                )

    def get(self, name: str) -> Job:
        """Raises ServiceError; the real service answers BadRequestException to unknown names."""
        with self.lock:
            if name not in self._jobs:
                raise bad_request(
                    "The requested job couldn't be found. Check the job name and try again."
                )
            return self._jobs[name]

    def page(self, status: str | None, contains: str, before: int | None, count: int) -> list[Job]:
        """Up to `count` jobs, newest first, that began before the job of that sequence."""
        with self.lock:
            # The question asked most, "what is still running", must not cost a look at all.
            jobs: Iterable[Job] = reversed(self._jobs.values())
            if status == "IN_PROGRESS":
                jobs = sorted(self._running.values(), key=lambda job: -job.sequence)
            found: list[Job] = []
            for job in jobs:
                if len(found) == count:
                    break
                if (
                    (status is None or job.status == status)
                    and (before is None or job.sequence < before)
                    and contains.lower() in job.name.lower()
                ):
                    found.append(job)
            return found

    def delete(self, name: str) -> None:
        """Raises ServiceError (BadRequestException) where it is unknown or has not ended."""
        with self.lock:
            job = self.get(name)
            if not job.ended:
                raise bad_request(
                    f"The job {name} is {job.status}: only a job that is COMPLETED or FAILED can "
                    "be deleted."
                )
            job.deleted = True
            del self._jobs[name]

    def complete(self, job: Job, found: Json, subtitle_uris: list[str]) -> list[Job]:
        """End a job well. Returns the deferred jobs that now run."""
        with self.lock:
            job.found, job.subtitle_uris = found, subtitle_uris
            return self._end(job, "COMPLETED")

    def fail(self, job: Job, reason: str) -> list[Job]:
        """End a job badly. Returns the deferred jobs that now run."""
        with self.lock:
            job.failure_reason = reason
            return self._end(job, "FAILED")

    def by_arn(self, arn: str) -> Job:
        """Raises ServiceError (NotFoundException)."""
        with self.lock:
            job = self._jobs.get(arn.rpartition("/")[2])
            if job is None or job.arn != arn:
                raise ServiceError("NotFoundException", f"There is no resource {arn}.")
            return job

    def _run(self, job: Job) -> None:
        job.status = "IN_PROGRESS"
        job.started = time.time()
        job.clock = time.monotonic()
        self._running[job.name] = job
        self.most_running = max(self.most_running, len(self._running))

    def _end(self, job: Job, status: str) -> list[Job]:
        job.status = status
        job.completed = (job.started or job.created) + time.monotonic() - job.clock
        del self._running[job.name]
        promoted: list[Job] = []
        while self._waiting and (self._limit is None or len(self._running) < self._limit):
            following = self._waiting.pop(next(iter(self._waiting)))
            self._run(following)
            promoted.append(following)
        return promoted
