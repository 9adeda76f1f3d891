"""The best that any system could do with the same jobs under the same quotas."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scheduled:
    """When a job starts and ends, in seconds from the beginning."""

    start: float
    end: float


def ideal(delays: Sequence[float], slots: int = 250, starts_a_second: int = 25) -> list[Scheduled]:
    """The greedy schedule: each job, in order, as soon as there is a slot and a start.

    Uploading, noticing and fetching need no time. A job starts once fewer than `starts_a_second`
    others have started in the second that ends with it.

    Args:
        delays: how long each job runs, in seconds, in the order of submission.
        slots: jobs that may run at once; the default is a new AWS account's.
        starts_a_second: starts in any one second; likewise.
    """
    running: list[float] = []
    schedule: list[Scheduled] = []
    for number, delay in enumerate(delays):
        start = schedule[-1].start if schedule else 0.0
        if number >= starts_a_second:
            start = max(start, schedule[number - starts_a_second].start + 1.0)
        if len(running) == slots:
            start = max(start, heapq.heappop(running))
        heapq.heappush(running, start + delay)
        schedule.append(Scheduled(start, start + delay))
    return schedule


def makespan(schedule: Sequence[Scheduled]) -> float:
    """Seconds until the last job has ended."""
    return max((each.end for each in schedule), default=0.0)
