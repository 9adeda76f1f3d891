"""The benchmarks' arithmetic, by hand: what no run can show to be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import options, profile, recordings
from benchmarks.measures import Run, lateness, max_within, share, summary
from benchmarks.plot import plot
from benchmarks.schedule import Scheduled, ideal, makespan
from benchmarks.table import table


def test_the_ideal_schedule_starts_a_job_as_soon_as_one_has_ended() -> None:
    schedule = ideal([4.0, 1.0, 2.0, 5.0], slots=2, starts_a_second=100)

    # Two at once; the third when the second ends, the fourth when the third does.
    assert schedule == [
        Scheduled(0.0, 4.0),
        Scheduled(0.0, 1.0),
        Scheduled(1.0, 3.0),
        Scheduled(3.0, 8.0),
    ]
    assert makespan(schedule) == 8.0


def test_the_ideal_schedule_starts_no_more_in_any_second_than_allowed() -> None:
    schedule = ideal([10.0] * 5, slots=100, starts_a_second=2)

    assert [each.start for each in schedule] == [0.0, 0.0, 1.0, 1.0, 2.0]


def test_slots_and_start_rate_both_apply() -> None:
    schedule = ideal([0.5, 0.5, 3.0, 0.1], slots=2, starts_a_second=2)

    # The third could have a slot at 0.5, but a start only at 1; the fourth has both at 1.
    assert [each.start for each in schedule] == [0.0, 0.0, 1.0, 1.0]
    assert makespan(schedule) == 4.0


def test_starts_are_made_in_the_order_of_submission() -> None:
    schedule = ideal([5.0, 1.0, 1.0], slots=1, starts_a_second=100)

    assert [each.start for each in schedule] == [0.0, 5.0, 6.0]


def test_without_jobs_the_run_has_no_duration() -> None:
    assert makespan(ideal([])) == 0.0


@pytest.mark.parametrize(
    ("values", "portion", "expected"),
    [([3, 1, 2], 0.5, 2), ([1, 2, 3, 4], 0.5, 2), (range(1, 101), 0.95, 95), ([7], 0.95, 7)],
)
def test_a_percentile_is_the_nearest_rank(values: Any, portion: float, expected: int) -> None:
    assert share(list(values), portion) == expected


def test_a_second_may_lie_across_two() -> None:
    assert max_within([0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 3.0]) == 4
    assert max_within([0.0, 1.0, 2.0]) == 1
    assert max_within([]) == 0


def a_run(**changes: Any) -> Run:
    fields: dict[str, Any] = {
        "system": "pipeline",
        "workers": 1,
        "names": ["a", "b"],
        "delays": {"a": 2.0, "b": 8.0},
        "started_at": 100.0,
        "submitted": 100.5,
        "failed": 0,
        "started": {"a": 100.5, "b": 100.5},
        "ready": {"a": 102.5, "b": 108.5},
        "delivered": {"a": 103.0, "b": 110.0},
        "calls": {
            "StartTranscriptionJob": {"count": 3, "refused": 1},
            "ListTranscriptionJobs": {"count": 2, "refused": 0},
            "PutObject": {"count": 5, "refused": 0},
        },
        "errors": {
            "StartTranscriptionJob": {"ThrottlingException": 1, "LimitExceededException": 4},
            "HeadObject": {"404": 1},
        },
        "max_per_second": {"StartTranscriptionJob": 2, "PutObject": 9},
        "max_running": 2,
        "cpu": {"workers": 0.05, "producer": 0.01, "redis": 0.5, "emulator": 0.02},
        "worker_rss": 3 * 2**20,
        "redis_bytes": 2**20,
    }
    return Run(**{**fields, **changes})


def test_the_figures_of_a_run() -> None:
    figures = summary(a_run())

    assert figures["makespan_s"] == pytest.approx(10.0)
    assert figures["ideal_makespan_s"] == 8.0
    assert figures["makespan_ratio"] == pytest.approx(1.25)
    assert figures["last_start_s"] == pytest.approx(0.5)
    assert figures["late_mean_s"] == pytest.approx(1.0)
    assert (figures["late_p50_s"], figures["late_max_s"]) == (0.5, 1.5)
    assert figures["max_started_per_second"] == 2
    assert figures["calls_a_job"] == 2.5
    assert figures["s3_calls_a_job"] == {"PutObject": 2.5}
    assert figures["calls_a_job_by_operation"] == {"Start": 1.5, "List": 1.0}
    assert (figures["refused_calls"], figures["limit_exceeded"]) == (1, 4)
    # Of ours: workers and producer, over two jobs; Redis and the emulator are separate figures.
    assert figures["cpu_ms_a_job"] == pytest.approx(30.0)
    assert figures["emulator_cpu_ms_a_request"] == pytest.approx(2.0)
    assert figures["worker_peak_rss_mb"] == 3.0


def test_no_result_is_late_by_less_than_nothing() -> None:
    # A file's time is that of the kernel's last tick.
    assert lateness(a_run(delivered={"a": 102.496})) == [0.0]


def test_the_table_marks_what_misses_its_goal_and_compares() -> None:
    ours = summary(a_run())
    theirs = summary(a_run(system="threads", delivered={"a": 105.5, "b": 120.0}))
    lines = table([ours, theirs]).splitlines()

    makespan_line = next(line for line in lines if line.startswith("makespan"))
    assert makespan_line.split() == ["makespan,", "s", "10.0", "20.0", "(2.0x)"]
    ratio_line = next(line for line in lines if "ideal" in line)
    assert "1.250  MISSED" in ratio_line
    calls_line = next(line for line in lines if line.startswith("Transcribe calls"))
    assert "2.50  MISSED" in calls_line
    assert next(line for line in lines if line.startswith("CPU")).split()[5] == "ok"


def test_results_that_never_came_are_reported() -> None:
    figures = summary(a_run(delivered={}, ready={}, started={}))

    assert figures["delivered"] == 0
    assert "MISSED" in table([figures]).splitlines()[-1]
    assert plot(a_run(delivered={}, ready={}, started={}))


def test_the_plot_shows_each_curve_at_its_height() -> None:
    run = a_run(started_at=0.0, started={"a": 0, "b": 5}, ready={"a": 5, "b": 10})
    drawn = plot(run).split("\n")

    in_flight = drawn[1:15]
    # Never more than one of the two in flight, the ideal has two at first.
    assert "f" not in in_flight[0]
    assert "." in in_flight[0]


def test_recordings_are_distinct_and_long_enough(tmp_path: Any) -> None:
    names = recordings.names(3)
    recordings.make(tmp_path, names)

    contents = {(tmp_path / f"{name}.wav").read_bytes() for name in names}
    assert len(contents) == 3
    assert all(len(content) < 16384 for content in contents)


PY_SPY = """\
thread (0x1): ThreadPoolExecutor-0_12;run (threading.py:9);call (celery/app/trace.py:1);\
upload (worker/tasks.py:20);find (worker/aws/s3.py:5);send (botocore/client.py:7);\
send (http/client.py:3) 6
thread (0x2): ThreadPoolExecutor-0_3;call (celery/app/trace.py:1);\
run (producer/backend/connection.py:2);read (redis/connection.py:4);recv (socket.py:1) 3
thread (0x3): MainThread;loop (kombu/asynchronous/hub.py:1);take (worker/ingress/transport.py:1);\
read (redis/connection.py:4) 1
"""


def test_a_profile_says_which_package_used_the_cpu() -> None:
    stacks = profile.read(PY_SPY)

    assert [each.count for each in stacks] == [6, 3, 1]
    assert [*map(profile.package, stacks)] == ["boto3", "redis, for ours", "redis, for Celery"]
    assert profile.our_function(stacks[0]) == "worker/aws/s3.py: find"
    assert profile.innermost(stacks[0]) == "http/client.py: send"
    assert profile.stage(stacks[0]) == "task upload"
    assert profile.thread(stacks[0]) == profile.thread(stacks[1]) == "ThreadPoolExecutor-n_n"
    assert "   12.00 ms  60.0 %  boto3" in profile.report(stacks, 20.0)


@pytest.mark.parametrize(
    "wrong",
    ["--systems none", "--quota start=off", "--quota x=1", "--set x", "--jobs -1", "--workers 0"],
)
def test_a_wrong_option_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options.read(wrong.split())

    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("python -m benchmarks: error: ")


def test_both_sides_know_the_quota() -> None:
    chosen = options.read(["--scale", "--quota", "jobs=500,start=50", "--set", "A=b=c"])

    assert chosen.settings == {
        "TRANSCRIBE_MAX_RUNNING_JOBS": "500",
        "TRANSCRIBE_START_RATE": "50",
        "A": "b=c",
    }
    assert (chosen.workers, chosen.systems, chosen.jobs) == ([1, 2, 4], ["pipeline"], 1000)
    assert options.read([]).settings == {}
