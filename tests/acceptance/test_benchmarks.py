"""The benchmarks run: every system gets all of a little work done and is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.stack import ROOT
from tests.support.waiting import DEADLINE

pytestmark = pytest.mark.long

JOBS = 6


def test_every_system_does_the_work_and_is_measured(tmp_path: Path) -> None:
    run = bench(
        *("--jobs", str(JOBS), "--mean-seconds", "0.2", "--cleanup", "--results", str(tmp_path))
    )

    assert run.returncode == 0, run.stderr
    results = {found["figures"]["system"]: found for found in map(load, tmp_path.glob("*.json"))}
    assert set(results) == {"pipeline", "threads", "celery_retry"}
    for system, result in results.items():
        figures, times = result["figures"], result["run"]
        assert system in run.stdout
        assert (figures["delivered"], figures["failed"]) == (JOBS, 0)
        assert figures["makespan_s"] >= figures["ideal_makespan_s"] > 0
        assert figures["calls_a_job_by_operation"]["Start"] >= 1
        assert figures["calls_a_job_by_operation"]["Delete"] >= 1
        assert figures["s3_calls_a_job"]["DeleteObject"] >= 2
        assert figures["cpu_ms_a_job"] > 0
        assert figures["cpu_ms_a_job_by_part"]["emulator"] > 0
        assert figures["worker_peak_rss_mb"] > 10
        for name in times["names"]:
            # Each job ran as long as its name says, and came after it was ready.
            ran = times["ready"][name] - times["started"][name]
            assert ran >= times["delays"][name] - 0.01
            assert times["delivered"][name] >= times["ready"][name] - 0.05


def test_jobs_that_wait_are_measured(tmp_path: Path) -> None:
    run = bench("--waiting", "--jobs", "300", "--results", str(tmp_path))

    assert run.returncode == 0, run.stderr
    (found,) = map(load, tmp_path.glob("*.json"))
    assert found["figures"]["bytes_a_job_ready"] > 100
    assert found["figures"]["worker_rss_after_mb"] > 10


def test_what_does_not_start_is_reported_in_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    run = bench(
        *("--jobs", "2", "--systems", "pipeline", "--results", str(tmp_path)),
        *("--set", "TRANSCRIBE_CONCURRENCY=none"),
    )

    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("benchmarks: worker0 does not run: ")
    left = [p for p in psutil.process_iter(["environ"]) if mark(tmp_path) in environ_of(p)]
    assert left == []


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    results = Path(arguments[arguments.index("--results") + 1])
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={**os.environ, "BENCHMARK_TEST": mark(results)},
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )


def mark(folder: Path) -> str:
    return f"of {folder}"


def environ_of(process: psutil.Process) -> str:
    found = process.info["environ"] or {}
    return str(found.get("BENCHMARK_TEST", ""))


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded
