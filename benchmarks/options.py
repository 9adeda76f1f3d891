"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from benchmarks.systems import PIPELINE, SYSTEMS
from localaws.errors import UsageError
from localaws.quotas import Quotas

_RESULTS = Path(__file__).parent / "results"
_LARGE = 10_000
_WAITING = 100_000
_SCALE = (1, 2, 4)
#: Its last jobs are not so long that a system could idle for long and yet end in time.
_SEED = "4"

_EXAMPLES = """\
examples:
  make bench
  make bench BENCH="--jobs 200 --mean-seconds 5 --systems pipeline,threads"
  make bench BENCH="--scale --quota jobs=2500,start=250,get=300,list=50,delete=50"
  make bench BENCH="--systems pipeline --set TRANSCRIBE_POLL_INTERVAL=1"
  make bench BENCH="--large"
  make bench BENCH="--profile --jobs 500"
  make bench BENCH="--waiting --jobs 20000"

All figures and times of every run are kept in benchmarks/results/ as JSON.
"""


@dataclass(frozen=True)
class Options:
    """What to run."""

    jobs: int
    mean_seconds: float
    systems: list[str]
    #: numbers of worker processes, each for a run of its own
    workers: list[int]
    seed: str
    cleanup: bool
    quotas: Quotas
    #: environment variables for all processes of a system
    settings: dict[str, str]
    profile: bool
    waiting: bool
    #: the folder for the JSON of each run
    results: Path


def read(arguments: list[str] | None = None) -> Options:
    """Read the command line; ends the program with one sentence if it makes no sense."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    systems = parsed.systems.split(",")
    if unknown := set(systems) - set(SYSTEMS):
        parser.error(f"there is no system {', '.join(unknown)}: use {', '.join(SYSTEMS)}")
    try:
        quotas = Quotas.parse(parsed.quota)
        settings = dict(_pair(each) for each in parsed.set)
    except UsageError as error:
        parser.error(str(error))
    if None in {quotas.jobs, quotas.start, quotas.get, quotas.list, quotas.delete}:
        parser.error("a quota must be a number here, for the ideal schedule has it too")
    ours_only = parsed.scale or parsed.large or parsed.profile or parsed.waiting
    jobs = parsed.jobs or (_WAITING if parsed.waiting else _LARGE if parsed.large else 1000)
    if jobs < 1 or parsed.workers < 1 or parsed.mean_seconds <= 0:
        parser.error("jobs, workers and seconds must be more than none")
    return Options(
        jobs=jobs,
        mean_seconds=parsed.mean_seconds,
        systems=[PIPELINE.name] if ours_only else systems,
        workers=list(_SCALE) if parsed.scale else [parsed.workers],
        seed=parsed.seed,
        cleanup=parsed.cleanup,
        quotas=quotas,
        settings=_settings(quotas) | settings,
        profile=parsed.profile,
        waiting=parsed.waiting,
        results=parsed.results,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Our pipeline beside what one would write without it, on the same work.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--jobs", type=int, help="recordings (default: 1000)")
    add(
        "--mean-seconds",
        type=float,
        default=25.0,
        metavar="SECONDS",
        help="how long a job runs at AWS on average, exponentially distributed (default: 25)",
    )
    add("--systems", default=",".join(SYSTEMS), help="which to run (default: %(default)s)")
    add("--workers", type=int, default=1, help="worker processes of each (default: 1)")
    add("--seed", default=_SEED, help="for other lengths of the jobs (default: %(default)s)")
    add("--cleanup", action="store_true", help="have audio, result and AWS job deleted as well")
    add(
        "--quota",
        default="",
        metavar="jobs=250,start=25,get=30,list=5,delete=5",
        help="the account's, as the emulator and our workers have it (default: a new account's)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an environment variable for all processes of a system; repeatable",
    )
    add("--results", type=Path, default=_RESULTS, help="folder for the JSON of each run")
    what = parser.add_mutually_exclusive_group()
    instead = what.add_argument
    instead("--scale", action="store_true", help="ours with 1, 2 and 4 worker processes")
    instead("--large", action="store_true", help="ours with 10,000 jobs; 20 minutes")
    instead("--profile", action="store_true", help="where the CPU of our worker goes, by py-spy")
    instead(
        "--waiting",
        action="store_true",
        help="100,000 jobs that wait READY: memory of each in Redis and in a worker; half an hour",
    )
    return parser


def _pair(text: str) -> tuple[str, str]:
    """Raises UsageError."""
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"--set {text!r} is not of the form NAME=VALUE.")
    return name, value


def _settings(quotas: Quotas) -> dict[str, str]:
    """Our settings for an account with these quotas; nothing where it is a new account's."""
    names = {
        "TRANSCRIBE_MAX_RUNNING_JOBS": "jobs",
        "TRANSCRIBE_START_RATE": "start",
        "TRANSCRIBE_GET_RATE": "get",
        "TRANSCRIBE_LIST_RATE": "list",
        "TRANSCRIBE_DELETE_RATE": "delete",
    }
    new = Quotas()
    return {
        name: f"{getattr(quotas, quota):g}"
        for name, quota in names.items()
        if getattr(quotas, quota) != getattr(new, quota)
    }
