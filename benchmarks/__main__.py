"""`make bench`: our pipeline beside what one would write without it, on the same work."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import profile, recordings, waiting
from benchmarks.measures import Run, summary
from benchmarks.options import Options, read
from benchmarks.plot import plot
from benchmarks.stand import Stand, Task
from benchmarks.systems import SYSTEMS
from benchmarks.table import table
from localaws.quotas import Quotas
from producer.cli.sandbox.processes import Sandbox
from producer.errors import TranscribeQueueError


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 1 if a job was not delivered."""
    options = read(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        names = recordings.names(1 if options.waiting else options.jobs)
        recordings.make(Path(folder), names)
        task = Task(
            names, Path(folder), options.mean_seconds, options.seed, options.cleanup, options.quotas
        )
        return _wait(options, task) if options.waiting else _compare(options, task)


def _compare(options: Options, task: Task) -> int:
    """Run each system with each number of workers, and show them side by side."""
    runs: list[Run] = []
    profiles: list[str] = []
    summaries: list[dict[str, Any]] = []
    for system in options.systems:
        for workers in options.workers:
            run, stacks = _run(task, system, workers, options)
            figures = summary(run)
            if stacks:
                profiles.append(profile.report(stacks, figures["cpu_ms_a_job_by_part"]["workers"]))
            _save(f"{run.system}-{len(run.names)}-{run.workers}", options, figures, asdict(run))
            runs.append(run)
            summaries.append(figures)
    for run in runs:
        print(f"\n{plot(run)}")
    print(f"\n{table(summaries)}")
    for text in profiles:
        print(f"\n{text}")
    return 0 if all(each["delivered"] == each["jobs"] for each in summaries) else 1


def _run(
    task: Task, system: str, workers: int, options: Options
) -> tuple[Run, list[profile.Stack]]:
    """Run one system on a stand of its own, and say what happens meanwhile."""

    def progress(seconds: float, account: dict[str, Any]) -> None:
        ended = account["accepted"] - account["running"]
        text = f"{system}: {seconds:4.0f} s, {account['running']:4} running, {ended:5} ended"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text} ")
        elif round(seconds) % 10 == 0:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    sys.stderr.write(f"{system}: {len(task.names)} jobs, workers: {workers} ...\n")
    with Sandbox() as sandbox:
        stand = Stand(sandbox, task, options.settings)
        run, profiler = stand.run(SYSTEMS[system], workers, progress, profile=options.profile)
        if len(run.delivered) < len(run.names):
            sandbox.keep_logs = True
            sys.stderr.write(f"\nNot all was delivered; the logs are in {sandbox.folder}.\n")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return run, profiler.stacks if profiler else []


def _wait(options: Options, task: Task) -> int:
    """Measure jobs that wait."""
    one_slot = replace(task, quotas=Quotas.parse(waiting.QUOTA), mean_seconds=1e6)
    with Sandbox() as sandbox:
        stand = Stand(sandbox, one_slot, options.settings | waiting.SETTINGS)
        figures = waiting.measure(stand, options.jobs, options.workers[0])
    _save(f"waiting-{options.jobs}", options, figures, {})
    print(waiting.report(figures))
    return 0


def _save(name: str, options: Options, figures: dict[str, Any], run: dict[str, Any]) -> None:
    """Keep all that was measured, so that figures can be cited."""
    options.results.mkdir(exist_ok=True)
    path = options.results / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}.json"
    content = {"options": asdict(options), "figures": figures, "run": run}
    path.write_text(json.dumps(content, indent=1, default=str))


def _stop(*_: object) -> None:
    """End as by Ctrl-C, so that everything is cleaned up."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(main())
    except (TranscribeQueueError, RuntimeError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
