"""The administration under `/_localaws/`: health, jobs, call counts, faults."""

import copy
import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any

from localaws.errors import UsageError
from localaws.faults import Fault, FaultInjector
from localaws.http.answers import Answer, plain_json
from localaws.transcribe.jobs import Job, JobTable
from localaws.transcribe.lifecycle import Lifecycle

PREFIX = "/_localaws/"


class CallCounts:
    """Calls and refusals of each operation, and its most calls in any one second.

    A second begins at any call and excludes a call exactly one second later. Safe between threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._errors: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._last_second: defaultdict[str, deque[float]] = defaultdict(deque)
        self._max_per_second: Counter[str] = Counter()

    def add(self, operation: str, *, refused: bool) -> None:
        with self._lock:
            self._counts[operation].update(count=1, refused=refused)
            now = self._clock()
            last = self._last_second[operation]
            last.append(now)
            while last[0] <= now - 1:
                last.popleft()
            self._max_per_second[operation] = max(self._max_per_second[operation], len(last))

    def add_error(self, operation: str, code: str) -> None:
        """Count an error answer of Transcribe."""
        with self._lock:
            self._errors[operation][code] += 1

    def report(self) -> dict[str, Any]:
        """All counts so far, by operation."""
        counted = {
            "calls": self._counts,
            "errors": self._errors,
            "max_per_second": self._max_per_second,
        }
        with self._lock:
            return copy.deepcopy(counted)


class Admin:
    """GET health, jobs, account (jobs without the list), faults; POST and DELETE faults."""

    def __init__(
        self, table: JobTable, lifecycle: Lifecycle, faults: FaultInjector, calls: CallCounts
    ) -> None:
        self._table = table
        self._lifecycle = lifecycle
        self._faults = faults
        self._calls = calls
        self._answers: dict[str, Callable[[], Any]] = {
            "health": lambda: {"status": "ok"},
            "account": self._account,
            "jobs": lambda: self._account() | self._jobs(),
            "faults": faults.remaining,
        }

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request; `path` is what follows the prefix."""
        if method == "GET" and path in self._answers:
            return plain_json(self._answers[path]())
        if (method, path) == ("POST", "faults"):
            return self._set_faults(body)
        if (method, path) == ("DELETE", "faults"):
            self._lifecycle.clear_faults()
            return plain_json({"faults": 0})
        return plain_json({"error": f"localaws has no {method} {PREFIX}{path}."}, 404)

    def _set_faults(self, body: bytes) -> Answer:
        try:
            values = json.loads(body)
            if not isinstance(values, list):
                raise UsageError("Send a JSON list of faults.")
            faults = [Fault.from_dict(value) for value in values]
        except (ValueError, TypeError) as error:
            return plain_json({"error": str(error)}, 400)
        self._faults.add(faults)
        return plain_json({"faults": len(faults)})

    def _account(self) -> dict[str, Any]:
        with self._table.lock:
            return {
                "accepted": len(self._table.history),
                "running": self._table.running,
                "max_running": self._table.max_running,
                **self._calls.report(),
            }

    def _jobs(self) -> dict[str, Any]:
        processes = self._lifecycle.recogniser.processes()
        with self._table.lock:
            return {"jobs": [_job(job, processes) for job in self._table.history]}


def _job(job: Job, processes: dict[int, int]) -> dict[str, Any]:
    return {
        "name": job.name,
        "region": job.region,
        "status": job.status,
        "media": job.request["Media"]["MediaFileUri"],
        "created": job.created,
        "started": job.started,
        "completed": job.completed,
        "failure_reason": job.failure_reason,
        "deleted": job.deleted,
        "pid": None if job.ended else processes.get(job.sequence),
    }
