"""The figures side by side, with what the goals are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Summary = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One figure: how it is called, found and written, and the most it may be."""

    title: str
    value: Callable[[Summary], float]
    digits: int = 1
    #: a number, or the name of a quota
    goal: float | str | None = None


_START, _GET = "StartTranscriptionJob", "GetTranscriptionJob"
_LIST, _DELETE = "ListTranscriptionJobs", "DeleteTranscriptionJob"
ROWS = (
    Row("makespan, s", lambda s: s["makespan_s"]),
    Row("… to the ideal's", lambda s: s["makespan_ratio"], 3, 1.03),
    Row("last start, to the ideal's", lambda s: s["last_start_ratio"], 3),
    Row("late, mean, s", lambda s: s["late_mean_s"], 2, 1.0),
    Row("late, p50, s", lambda s: s["late_p50_s"], 2),
    Row("late, p95, s", lambda s: s["late_p95_s"], 2, 2.0),
    Row("late, max, s", lambda s: s["late_max_s"], 2),
    Row("Transcribe calls a job", lambda s: s["calls_a_job"], 2, 1.5),
    Row("… refused, in all", lambda s: s["refused_calls"], 0, 0),
    Row("LimitExceeded, in all", lambda s: s["limit_exceeded"], 0, 0),
    Row("Start in a second, at most", lambda s: s["max_per_second"].get(_START, 0), 0, "start"),
    Row("Get in a second, at most", lambda s: s["max_per_second"].get(_GET, 0), 0, "get"),
    Row("List in a second, at most", lambda s: s["max_per_second"].get(_LIST, 0), 0, "list"),
    Row("Delete in a second, at most", lambda s: s["max_per_second"].get(_DELETE, 0), 0, "delete"),
    Row("running at once, at most", lambda s: s["max_running"], 0, "jobs"),
    Row("CPU, ms a job", lambda s: s["cpu_ms_a_job"], 1, 35),
    Row("… of workers", lambda s: s["cpu_ms_a_job_by_part"]["workers"]),
    Row("… of the producer", lambda s: s["cpu_ms_a_job_by_part"]["producer"]),
    Row("(Redis, ms a job)", lambda s: s["cpu_ms_a_job_by_part"]["redis"]),
    Row("(emulator, ms a request)", lambda s: s["emulator_cpu_ms_a_request"], 2),
    Row("peak RSS of workers, MB", lambda s: s["worker_peak_rss_mb"], 0),
    Row("peak memory of Redis, MB", lambda s: s["redis_peak_mb"], 1),
    Row("not delivered", lambda s: s["jobs"] - s["delivered"], 0, 0),
)


def table(summaries: Sequence[Summary]) -> str:
    """One column a system, or a number of workers; baselines also as multiples of the first."""
    first, *others = summaries
    heads = [_head(first), "", *(_head(each) for each in others), "goal"]
    lines = [["", *heads]]
    for row in ROWS:
        value = row.value(first)
        goal = first["quotas"][row.goal] if isinstance(row.goal, str) else row.goal
        cells = [row.title, _written(value, row.digits), _mark(value, goal)]
        for other in others:
            theirs = row.value(other)
            cells.append(f"{_written(theirs, row.digits)}{_ratio(theirs, value)}")
        cells.append("" if goal is None else f"<= {goal:g}")
        lines.append(cells)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _head(summary: Summary) -> str:
    workers = summary["workers"]
    return f"{summary['system']}/{workers}" if workers > 1 else str(summary["system"])


def _written(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def _mark(value: float, goal: float | None) -> str:
    if goal is None:
        return ""
    return "ok" if value <= goal else "MISSED"


def _ratio(theirs: float, value: float) -> str:
    if not value or math.isnan(theirs) or math.isnan(value):
        return "        "
    return f" ({theirs / value:.1f}x)".rjust(8)
