"""`make bench`: our pipeline beside what one would write without it, on the same work.

make bench BENCH="--jobs 1000 --systems pipeline,threads"
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import recordings
from benchmarks.measures import Run, summary
from benchmarks.stand import Stand, Task
from benchmarks.systems import SYSTEMS
from benchmarks.table import table
from producer.cli.sandbox import Sandbox
from producer.errors import TranscribeQueueError

RESULTS = Path(__file__).parent / "results"


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("--jobs", type=int, default=1000, help="recordings (default: %(default)s)")
    add(
        "--mean-seconds",
        type=float,
        default=25.0,
        help="how long a job runs at AWS on average (default: %(default)s)",
    )
    add("--systems", default=",".join(SYSTEMS), help="which to run (default: %(default)s)")
    add("--workers", type=int, default=1, help="worker processes of each (default: %(default)s)")
    add("--seed", default="", help="for other lengths of the jobs")
    add("--cleanup", action="store_true", help="have audio, result and AWS job deleted as well")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an environment variable for all processes; repeatable",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.systems.split(",")) - set(SYSTEMS):
        parser.error(f"there is no system {', '.join(unknown)}: use {', '.join(SYSTEMS)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 1 if a job was not delivered."""
    options = _options(arguments)
    summaries: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        names = recordings.names(options.jobs)
        recordings.make(Path(folder), names)
        task = Task(names, Path(folder), options.mean_seconds, options.seed, options.cleanup)
        for system in options.systems.split(","):
            run = run_one(task, system, options.workers, dict(s.split("=", 1) for s in options.set))
            summaries.append(summary(run))
            save(run, summaries[-1])
    print()
    print(table(summaries))
    return 0 if all(each["delivered"] == each["jobs"] for each in summaries) else 1


def run_one(task: Task, system: str, workers: int, settings: dict[str, str]) -> Run:
    """Run one system on a stand of its own, and say what happens meanwhile."""

    def progress(seconds: float, account: dict[str, Any]) -> None:
        ended = account["accepted"] - account["running"]
        text = f"{system}: {seconds:4.0f} s, {account['running']:4} running, {ended:5} ended"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text} ")
        elif round(seconds) % 10 == 0:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    sys.stderr.write(f"{system}: {len(task.names)} jobs ...\n")
    with Sandbox() as sandbox:
        stand = Stand(sandbox, task, settings)
        run = stand.run(SYSTEMS[system], workers, progress)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return run


def save(run: Run, figures: dict[str, Any]) -> Path:
    """Keep all that was measured, so that figures can be cited."""
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = RESULTS / f"{stamp}-{run.system}-{len(run.names)}-{run.workers}.json"
    path.write_text(json.dumps({"figures": figures, "run": asdict(run)}, indent=1))
    return path


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TranscribeQueueError as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
