"""The faults of jobs: those that end otherwise than they would, and results that are not whole."""

import json
import threading
from collections.abc import Callable, Iterable
from threading import Timer
from typing import Any, cast

from localaws.s3.objects import ObjectStore
from localaws.transcribe.jobs import Job, JobTable, Location
from localaws.transcribe.lifecycle import Failure, Lifecycle, OnEnd, Recogniser
from localaws.transcribe.speech import Recognition
from tests.emulator.faults import RESULT_KINDS, Fault, FaultInjector


class WatchedTable(JobTable):
    """Remembers the jobs of all regions."""

    def __init__(self, limit: int | None) -> None:
        super().__init__(limit)
        #: Every job ever accepted, in order, deleted ones too.
        self.history: list[Job] = []
        self.deleted: set[int] = set()
        self.max_running = 0

    @property
    def running(self) -> int:
        """How many jobs run."""
        with self.lock:
            return sum(len(each.running) for each in self._regions.values())

    def start(self, name: str, region: str, request: dict[str, Any], location: Location) -> Job:
        """Add a job."""
        with self.lock:
            job = super().start(name, region, request, location)
            self.history.append(job)
        return job

    def run(self, job: Job) -> None:
        """See how many run."""
        super().run(job)
        self.max_running = max(self.max_running, self.running)

    def delete(self, region: str, name: str) -> None:
        """Note that a job is deleted."""
        with self.lock:
            job = self.get(region, name)
            super().delete(region, name)
            self.deleted.add(job.sequence)


class FaultyLifecycle(Lifecycle):
    """Ends jobs as the faults say."""

    table: WatchedTable

    def __init__(
        self,
        table: WatchedTable,
        store: ObjectStore,
        make_recogniser: Callable[[ObjectStore, OnEnd], Recogniser],
        faults: FaultInjector,
    ) -> None:
        self.faults = faults
        self._lock = threading.Lock()
        self._stuck: list[tuple[Job, Recognition | Failure]] = []
        faulty = cast("ObjectStore", _FaultyStore(store, faults))
        super().__init__(table, faulty, make_recogniser)

    def end(self, job: Job, outcome: Recognition | Failure) -> None:
        """Leave a job that is stuck as it is."""
        with self._lock:
            if self.faults.for_job(job.name, "stuck"):
                self._stuck.append((job, outcome))
                return
        super().end(job, outcome)

    def replace_faults(self, faults: Iterable[Fault]) -> None:
        """Have these faults instead of all others; jobs that were stuck end as these say."""
        with self._lock:
            self.faults.replace(faults)
            stuck, self._stuck = self._stuck, []
        for job, outcome in stuck:
            self.end(job, outcome)

    def finish(self, job: Job, outcome: Recognition | Failure) -> list[Job]:
        """Fail the job, or delete it as it ends, if a fault says so."""
        if not self.faults.for_job(job.name, "delete_job"):
            return self._ended(job, outcome)
        with self.table.lock:  # no call sees it between its end and its deletion
            following = self._ended(job, outcome)
            self.table.delete(job.region, job.name)
        return following

    def _ended(self, job: Job, outcome: Recognition | Failure) -> list[Job]:
        fault = self.faults.for_job(job.name, "fail")
        return super().finish(job, Failure(fault.reason) if fault else outcome)


class _FaultyStore:
    """An ObjectStore that corrupts documents of results, for a fault's seconds or for good."""

    def __init__(self, store: ObjectStore, faults: FaultInjector) -> None:
        self._store = store
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(
        self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None
    ) -> None:
        is_document = content_type == "application/json"
        name = json.loads(body)["jobName"] if is_document else ""
        fault = self._faults.for_job(name, *RESULT_KINDS) if is_document else None
        content = _corrupted(body, fault.kind) if fault else body
        if content is not None:
            self._store.write(bucket, key, content, content_type, kms_key)
        if fault and fault.seconds:
            repair = Timer(
                fault.seconds, self._store.write, (bucket, key, body, content_type, kms_key)
            )
            repair.daemon = True
            repair.start()


def _corrupted(body: bytes, kind: str) -> bytes | None:
    if kind == "truncated_result":
        return body[: len(body) // 2]
    return b"<html>This is no transcript.</html>" if kind == "not_json" else None
