"""The test stand: Redis, the emulator and one system that uses them, in processes of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3

from benchmarks import delays
from benchmarks.driver_process import DriverProcess
from benchmarks.measures import Run
from benchmarks.processes import Cost, cost, rss
from benchmarks.profile import Profiler
from benchmarks.systems import System
from localaws.quotas import Quotas
from producer import Client
from producer.backend.connection import Broker
from producer.cli.sandbox.processes import Sandbox
from tests.emulator.process import administer, start_emulator

ROOT = Path(__file__).parent.parent
BUCKET = "benchmark"

#: Called about once a second with the seconds passed and what the account says.
Progress = Callable[[float, dict[str, Any]], None]


@dataclass(frozen=True)
class Task:
    """What every system is to do."""

    names: list[str]
    audio: Path
    mean_seconds: float
    seed: str = ""
    cleanup: bool = False
    quotas: Quotas = field(default_factory=Quotas)

    @property
    def recogniser(self) -> str:
        """How long jobs run, as the emulator's option says it."""
        return f"random:{self.mean_seconds}:{self.seed}"

    @property
    def quota(self) -> str:
        """The account's quotas, as the emulator's option says them."""
        return ",".join(f"{name}={value:g}" for name, value in asdict(self.quotas).items())


class Stand:
    """Everything for one run of one system; all of it ends with the sandbox."""

    def __init__(self, sandbox: Sandbox, task: Task, settings: Mapping[str, str]) -> None:
        self._sandbox = sandbox
        self._task = task
        self._results = sandbox.folder / "results"
        self._results.mkdir()
        names = sandbox.folder / "names"
        names.write_text("\n".join(task.names))
        self._names = names
        self.redis_url = sandbox.start_redis()
        self.broker = Broker(self.redis_url)
        self._endpoint = start_emulator(
            sandbox,
            BUCKET,
            *("--recogniser", task.recogniser, "--quota", task.quota),
            module="benchmarks.emulator",
        )
        self.environment = {
            "PYTHONPATH": str(ROOT),
            "TRANSCRIBE_REDIS_URL": self.redis_url,
            "TRANSCRIBE_BUCKET": BUCKET,
            "TRANSCRIBE_AUDIO_ROOTS": str(task.audio),
            "TRANSCRIBE_RESULTS_DIR": str(self._results),
            "TRANSCRIBE_LOG_FORMAT": "json",
            # The recordings were written a moment before.
            "TRANSCRIBE_QUIET_PERIOD": "0",
            "AWS_ENDPOINT_URL": self._endpoint,
            # As for Amazon S3.
            "TRANSCRIBE_CONDITIONAL_PUT": "on",
            **sandbox.aws_keys,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **settings,
        }

    def run(
        self, system: System, workers: int, progress: Progress, *, profile: bool = False
    ) -> tuple[Run, Profiler | None]:
        """Have the system do its work; `profile` samples its first worker meanwhile.

        Raises:
            SandboxFailed: if a process of it ends, with the last it said.
        """
        pids = self.start_workers(system, workers)
        with DriverProcess(self._driver_command(system), self.environment, self._sandbox) as driver:
            driver.expect("ready")
            profiler = Profiler(pids[0], self._sandbox.folder) if profile else None
            with profiler or nullcontext():
                before = self._costs(pids, driver.pid)
                started_at = driver.go()
                driver.watch(lambda seconds: progress(seconds, self._admin("account")))
                after = self._costs(pids, driver.pid)
            account = self._admin("jobs")
            redis_bytes = int(self.broker.command("INFO", "memory")["used_memory_peak"])
            run = self._gathered(
                system, workers, driver, started_at, account, before, after, redis_bytes
            )
            return run, profiler

    def s3(self) -> Any:
        """A client of the stand's S3."""
        return boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name="us-east-1",
            aws_access_key_id=self._sandbox.aws_keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._sandbox.aws_keys["AWS_SECRET_ACCESS_KEY"],
        )

    def rss(self, pids: list[int]) -> int:
        """Bytes that processes have resident now."""
        return rss(pids)

    def start_workers(self, system: System, count: int) -> list[int]:
        """Start the system's workers and wait until each is there; returns their processes."""
        pids: list[int] = []
        for number in range(count if system.worker else 0):
            name = f"worker{number}"
            ready = self._ours_ready(number + 1) if system.ours else self._log_says(name, "ready.")
            child = self._sandbox.start(name, system.worker_command(name), self.environment, ready)
            pids.append(child.pid)
        return pids

    def _ours_ready(self, count: int) -> Callable[[], bool]:
        client = Client(self.redis_url)
        return lambda: len(client.fleet.alive()) >= count

    def _log_says(self, name: str, word: str) -> Callable[[], bool]:
        return lambda: word in self._sandbox.log(name).read_text(errors="replace")

    def _driver_command(self, system: System) -> list[str]:
        arguments = [str(self._task.audio), str(self._results), str(self._names)]
        command = [sys.executable, "-m", system.driver, *arguments]
        return [*command, "--cleanup"] if self._task.cleanup else command

    def _costs(self, workers: list[int], driver: int) -> dict[str, Cost]:
        return {
            "workers": cost(workers),
            "producer": cost([driver]),
            "redis": cost([self._sandbox.child("redis").pid]),
            "emulator": cost([self._sandbox.child("localaws").pid]),
        }

    def _gathered(
        self,
        system: System,
        workers: int,
        driver: DriverProcess,
        started_at: float,
        account: dict[str, Any],
        before: dict[str, Cost],
        after: dict[str, Cost],
        redis_bytes: int,
    ) -> Run:
        delay = delays.parse(self._task.recogniser)
        jobs = {job["name"]: job for job in account["jobs"]}
        files = {name: self._results / name / "transcript.json" for name in self._task.names}
        return Run(
            system=system.name,
            workers=workers if system.worker else 0,
            names=self._task.names,
            delays={name: delay(name) for name in self._task.names},
            started_at=started_at,
            submitted=driver.submitted,
            failed=driver.failed,
            started={name: job["started"] for name, job in jobs.items()},
            ready={name: job["completed"] for name, job in jobs.items() if job["completed"]},
            delivered={name: path.stat().st_mtime for name, path in files.items() if path.exists()},
            calls=account["calls"],
            errors=account["errors"],
            max_per_second=account["max_per_second"],
            max_running=account["max_running"],
            cpu={part: after[part].cpu - before[part].cpu for part in after},
            worker_rss=(after["workers"] if system.worker else after["producer"]).peak_rss,
            redis_bytes=redis_bytes,
            quotas=asdict(self._task.quotas),
        )

    def _admin(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = administer(self._sandbox, self._endpoint, path)
        return found
