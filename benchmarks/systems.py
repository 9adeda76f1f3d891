"""The systems that are compared: how their workers and the process that submits are started."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """One way to have many files transcribed."""

    name: str
    #: run by python -m, as benchmarks.driver says
    driver: str
    #: the command of a worker process by its name; None where the driver does it all
    worker: tuple[str, ...] | None
    #: whether it is ours, whose workers answer to producer.Client
    ours: bool = False

    def worker_command(self, name: str) -> list[str]:
        """The command that starts one worker process."""
        assert self.worker is not None
        return [sys.executable, "-m", "celery", *self.worker, "-n", f"{name}@%h"]


PIPELINE = System("pipeline", "benchmarks.pipeline", ("-A", "worker", "worker"), ours=True)
THREADS = System("threads", "benchmarks.baselines.threads", None)
CELERY_RETRY = System(
    "celery_retry",
    "benchmarks.baselines.celery_driver",
    (
        *("-A", "benchmarks.baselines.celery_retry", "worker"),
        *("--pool", "threads", "--concurrency", "16", "--loglevel", "info"),
    ),
)
SYSTEMS = {each.name: each for each in (PIPELINE, THREADS, CELERY_RETRY)}
