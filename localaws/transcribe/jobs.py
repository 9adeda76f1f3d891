"""The table of the account's transcription jobs: states, order, and the limit of running jobs.

QUEUED (deferred only) -> IN_PROGRESS -> COMPLETED | FAILED
"""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from localaws.errors import ServiceError, bad_request

Json = dict[str, Any]

#: Deferred jobs that may wait in an account (Amazon Transcribe quotas).
MAX_DEFERRED = 10_000


@dataclass(frozen=True, slots=True)
class Location:
    """Where the results go. `base_url` is how the client that started the job reaches S3."""

    bucket: str
    key: str
    base_url: str
    service_bucket: bool
    #: Signs an address that is not public.
    presign: Callable[[str], str] = str

    def uri(self, key: str) -> str:
        return self.presign(f"{self.base_url}/{self.bucket}/{key}")


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
    #: What the recogniser found out, in the service's fields.
    found: Json = field(default_factory=dict)
    #: The monotonic clock at the start: how long it ran does not depend on clock changes.
    clock: float = 0.0

    @property
    def ended(self) -> bool:
        return self.status in {"COMPLETED", "FAILED"}


class _Region:
    """The jobs of one region."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.running: dict[str, Job] = {}
        self.waiting: dict[str, Job] = {}


class JobTable:
    """All jobs of the account; names and the limit apply to a region. Safe between threads."""

    def __init__(self, limit: int | None) -> None:
        self.lock = threading.RLock()
        self._limit = limit
        self._regions: defaultdict[str, _Region] = defaultdict(_Region)
        self._numbers = itertools.count()

    def start(self, name: str, region: str, request: Json, location: Location) -> Job:
        """Add a job: it runs at once, or waits if it is deferrable and the limit is reached.

        Raises ServiceError: ConflictException, LimitExceededException.
        """
        deferrable = request.get("JobExecutionSettings", {}).get("AllowDeferredExecution", False)
        with self.lock:
            self.check_name_unused(region, name)
            here = self._regions[region]
            full = self._limit is not None and len(here.running) >= self._limit
            if full and (not deferrable or len(here.waiting) >= MAX_DEFERRED):
                raise ServiceError(
                    "LimitExceededException",
                    f"The account runs {len(here.running)} transcription jobs, which is its "
                    "limit: wait until one has ended and try again.",
                )
            job = Job(next(self._numbers), name, region, request, location, time.time())
            here.jobs[name] = job
            if full:
                here.waiting[name] = job
            else:
                self.run(job)
            return job

    def check_name_unused(self, region: str, name: str) -> None:
        """Raises ServiceError (ConflictException) where a job has this name."""
        with self.lock:
            if name in self._regions[region].jobs:
                raise ServiceError(
                    "ConflictException",
                    "The requested job name already exists. Use a different job name.",
                )

    def get(self, region: str, name: str) -> Job:
        """Raises ServiceError; the real service answers BadRequestException to unknown names."""
        with self.lock:
            job = self._regions[region].jobs.get(name)
            if job is None:
                raise bad_request(
                    "The requested job couldn't be found. Check the job name and try your request "
                    "again."
                )
            return job

    def page(
        self, region: str, status: str | None, contains: str, before: int | None, count: int
    ) -> list[Job]:
        """Up to `count` jobs, newest first, that began before the job of that sequence."""
        with self.lock:
            here = self._regions[region]
            # Polls ask most for running jobs: that must not scan all jobs.
            jobs: Iterable[Job] = reversed(here.jobs.values())
            if status == "IN_PROGRESS":
                jobs = sorted(here.running.values(), key=lambda job: -job.sequence)
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

    def delete(self, region: str, name: str) -> None:
        """Raises ServiceError (BadRequestException) where it is unknown or has not ended."""
        with self.lock:
            job = self.get(region, name)
            if not job.ended:
                raise bad_request(
                    f"The job {name} is {job.status}: only a job that is COMPLETED or FAILED can "
                    "be deleted."
                )
            del self._regions[region].jobs[name]

    def complete(self, job: Job, found: Json, subtitle_uris: list[str]) -> list[Job]:
        """The job COMPLETED. Returns the deferred jobs that now run."""
        with self.lock:
            job.found, job.subtitle_uris = found, subtitle_uris
            return self._end(job, "COMPLETED")

    def fail(self, job: Job, reason: str) -> list[Job]:
        """The job FAILED. Returns the deferred jobs that now run."""
        with self.lock:
            job.failure_reason = reason
            return self._end(job, "FAILED")

    def run(self, job: Job) -> None:
        """A job, under the lock, that has waited or not, is IN_PROGRESS."""
        job.status = "IN_PROGRESS"
        job.started = time.time()
        job.clock = time.monotonic()
        self._regions[job.region].running[job.name] = job

    def _end(self, job: Job, status: str) -> list[Job]:
        here = self._regions[job.region]
        job.status = status
        job.completed = (job.started or job.created) + time.monotonic() - job.clock
        del here.running[job.name]
        promoted: list[Job] = []
        while here.waiting and (self._limit is None or len(here.running) < self._limit):
            following = here.waiting.pop(next(iter(here.waiting)))
            self.run(following)
            promoted.append(following)
        return promoted
