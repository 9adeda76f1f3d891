"""The arithmetic: what is made of the times and counts of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import schedule
from localaws.quotas import Quotas


@dataclass(frozen=True)
class Run:
    """What one run left behind. Times are seconds since the epoch, of one machine's clock."""

    system: str
    workers: int
    names: list[str]
    #: seconds that each job runs at AWS, by name
    delays: dict[str, float]
    started_at: float
    submitted: float
    #: jobs that the system itself reports as failed
    failed: int
    #: by name, as AWS says
    started: dict[str, float]
    ready: dict[str, float]
    #: by name: when the result's file was written
    delivered: dict[str, float]
    calls: dict[str, dict[str, int]]
    errors: dict[str, dict[str, int]]
    max_per_second: dict[str, int]
    max_running: int
    #: CPU seconds by part: workers, producer, redis, emulator
    cpu: dict[str, float]
    worker_rss: int
    redis_bytes: int
    #: the account's quotas
    quotas: dict[str, float] = field(default_factory=lambda: asdict(Quotas()))

    @property
    def slots(self) -> int:
        """Jobs that may run at once."""
        return int(self.quotas["jobs"])

    @property
    def start_rate(self) -> int:
        """Jobs that may be started in a second."""
        return int(self.quotas["start"])


def share(values: Sequence[float], portion: float) -> float:
    """The least value that so large a portion of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(portion * len(ordered)) - 1)]


def lateness(run: Run) -> list[float]:
    """For each job seconds from its result being there to our having it.

    A file's time is that of the kernel's last tick, some milliseconds ago; never less than 0.
    """
    return [max(0.0, at - run.ready[name]) for name, at in run.delivered.items()]


def max_within(times: Sequence[float], seconds: float = 1.0) -> int:
    """The most events in any stretch of time of that length; its end is not part of it."""
    ordered = sorted(times)
    found = first = 0
    for number, moment in enumerate(ordered):
        while moment - ordered[first] >= seconds:
            first += 1
        found = max(found, number - first + 1)
    return found


def transcribe_calls(run: Run) -> dict[str, dict[str, int]]:
    """The calls to Amazon Transcribe, without those to S3."""
    return {name: run.calls[name] for name in sorted(run.calls) if "TranscriptionJob" in name}


def summary(run: Run) -> dict[str, Any]:
    """All figures of a run, of which the table shows some."""
    count = len(run.names)
    plan = schedule.ideal([run.delays[name] for name in run.names], run.slots, run.start_rate)
    best = schedule.makespan(plan)
    best_last_start = max(each.start for each in plan)
    last_start = max(run.started.values(), default=math.nan) - run.started_at
    late = lateness(run) or [math.nan]
    makespan = max(run.delivered.values(), default=math.nan) - run.started_at
    calls = transcribe_calls(run)
    errors = {name: run.errors[name] for name in calls if name in run.errors}
    ours = {part: seconds for part, seconds in run.cpu.items() if part in {"workers", "producer"}}
    requests = sum(each["count"] for each in run.calls.values())
    return {
        "system": run.system,
        "workers": run.workers,
        "jobs": count,
        "delivered": len(run.delivered),
        "failed": run.failed,
        "makespan_s": makespan,
        "ideal_makespan_s": best,
        "makespan_ratio": makespan / best if best else math.nan,
        "last_start_s": last_start,
        "ideal_last_start_s": best_last_start,
        "last_start_ratio": last_start / best_last_start if best_last_start else math.nan,
        "submit_s": run.submitted - run.started_at,
        "late_mean_s": sum(late) / len(late),
        "late_p50_s": share(late, 0.5),
        "late_p95_s": share(late, 0.95),
        "late_max_s": max(late),
        "calls_a_job": sum(each["count"] for each in calls.values()) / count,
        "calls_a_job_by_operation": {
            name.removesuffix("s").removesuffix("TranscriptionJob"): each["count"] / count
            for name, each in calls.items()
        },
        "s3_calls_a_job": {
            name: each["count"] / count
            for name, each in sorted(run.calls.items())
            if name not in calls
        },
        "refused_calls": sum(each["refused"] for each in calls.values()),
        "limit_exceeded": sum(each.get("LimitExceededException", 0) for each in errors.values()),
        "errors": errors,
        "max_per_second": {name: run.max_per_second.get(name, 0) for name in calls},
        "max_started_per_second": max_within(list(run.started.values())),
        "quotas": run.quotas,
        "max_running": run.max_running,
        "cpu_ms_a_job": 1000 * sum(ours.values()) / count,
        "cpu_ms_a_job_by_part": {part: 1000 * seconds / count for part, seconds in run.cpu.items()},
        "emulator_cpu_ms_a_request": 1000 * run.cpu["emulator"] / requests if requests else 0.0,
        "emulator_requests": requests,
        "worker_peak_rss_mb": run.worker_rss / 2**20,
        "redis_peak_mb": run.redis_bytes / 2**20,
    }
