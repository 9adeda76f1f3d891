"""The whole system for a test: a Redis of its own, an AWS endpoint, workers and the command line.

Everything is a real process on a free port of 127.0.0.1, started and stopped by the code that
`transcribe local` uses.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from producer import Client
from producer.backend import keys
from producer.backend.connection import Broker
from producer.backend.job_store import JobStore
from producer.cli.sandbox.processes import Sandbox
from producer.contract.job import Job, JobState
from producer.contract.stages import Stage
from producer.errors import BrokerUnavailable
from producer.settings import ProducerSettings
from tests.emulator.process import administer, start_emulator
from tests.support.fork_server import ForkedPopen
from tests.support.waiting import DEADLINE, until

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
BUCKET = "test-bucket"
#: Short, so that tests of recovery do not take long.
LEASE = 2.0


class QuickSandbox(Sandbox):
    """One whose programs of ours start by forking."""

    _popen = ForkedPopen


class Stack:
    """Redis, an AWS endpoint if asked for, and what is started on top of them."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.audio = folder / "audio"
        self.results = folder / "results"
        self.audio.mkdir()
        # Tests fill it up, cut its connections, and so on.
        self.redis_url = sandbox.start_redis(admin_commands=True)
        self.endpoint = ""
        self.environment = {
            "TRANSCRIBE_REDIS_URL": self.redis_url,
            "TRANSCRIBE_BUCKET": BUCKET,
            "TRANSCRIBE_AUDIO_ROOTS": str(self.audio),
            "TRANSCRIBE_RESULTS_DIR": str(self.results),
            "TRANSCRIBE_POLL_INTERVAL": "0.3",
            "TRANSCRIBE_DISPATCH_INTERVAL": "0.05",
            "TRANSCRIBE_LEASE": str(LEASE),
            # As for Amazon S3.
            "TRANSCRIBE_CONDITIONAL_PUT": "on",
            # What tests submit they have written a moment before.
            "TRANSCRIBE_QUIET_PERIOD": "0",
            # They also submit the same recording again and again, to be transcribed each time.
            "TRANSCRIBE_REUSE": "off",
        }
        self.client = Client(settings=ProducerSettings(redis_url=self.redis_url, lease=LEASE))
        self.broker = Broker(self.redis_url)
        self.store = JobStore(self.broker, retention=3600, lease=LEASE)

    @property
    def redis_port(self) -> int:
        port = urlsplit(self.redis_url).port
        assert port is not None
        return port

    def redis_url_by(self, port: int) -> str:
        """The address of Redis by way of something in front of it."""
        return self.redis_url.replace(f":{self.redis_port}/", f":{port}/")

    def close(self) -> None:
        self.client.close()
        self.broker.close()

    def stop_redis(self, number: signal.Signals) -> None:
        """End Redis by a signal; what it had written stays on disk."""
        redis = self.sandbox.child("redis")
        redis.send_signal(number)
        redis.wait(timeout=DEADLINE)

    def start_redis_again(self) -> None:
        """Start Redis on the same port, with what is on disk."""
        command = [str(word) for word in list(self.sandbox.child("redis").args)]  # type: ignore[arg-type]
        self.sandbox.start("redis", command, {}, self._redis_answers)

    def _redis_answers(self) -> bool:
        try:
            return bool(self.broker.command("PING"))
        except BrokerUnavailable:
            return False

    def start_aws(self, *options: str) -> None:
        """Start the emulator in a process of its own."""
        self.endpoint = start_emulator(self.sandbox, BUCKET, *options)
        self.environment |= {
            "AWS_ENDPOINT_URL": self.endpoint,
            **self.sandbox.aws_keys,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def aws(self, service: str) -> Any:
        """A boto3 client of the endpoint. Workers call it, too, so it waits if it is throttled."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            **{name.lower(): key for name, key in self.sandbox.aws_keys.items()},
        )

    def start_worker(
        self, name: str = "worker", *options: str, **settings: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker with Celery's options and our settings; waits for its heartbeat."""
        environment = self.environment | {f"TRANSCRIBE_{k.upper()}": v for k, v in settings.items()}

        def pids() -> set[int]:
            alive = self.client.fleet.alive()
            return {each.pid for each in alive if each.name.startswith(f"{name}@")}

        # One that was killed counts as alive for a while.
        earlier = pids()

        def alive() -> bool:
            return bool(pids() - earlier)

        return self.sandbox.start_worker(environment, alive, name, options)

    def sample(self, name: str, as_: str | None = None) -> Path:
        """A copy of a sample beneath the audio root."""
        path = self.audio / (as_ or name)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = (SAMPLES / name).read_bytes()
        # A worker may be reading it.
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
        return path

    def transcribe(
        self, *arguments: str, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user does."""
        command = [str(Path(sys.executable).parent / "transcribe"), *arguments]
        pipe = subprocess.PIPE
        with ForkedPopen(
            command,
            env={**os.environ, **self.environment, **environment},
            cwd=self.folder,
            stdin=pipe if stdin is not None else None,
            stdout=pipe,
            stderr=pipe,
            text=True,
        ) as process:
            try:
                written, complaints = process.communicate(stdin, timeout=DEADLINE)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, written, complaints)

    def job_in(self, job_id: str, *states: JobState, seconds: float = DEADLINE) -> Job:
        """Wait until a job is in one of the states."""

        def found() -> Job | None:
            job = self.client.get(job_id)
            return job if job.state in states else None

        job = until(found, seconds, f"{job_id} in {states}")
        assert isinstance(job, Job)
        return job

    def completed(self, number: int) -> None:
        """Wait until so many jobs are COMPLETED."""
        until(lambda: self.client.counts()[JobState.COMPLETED] >= number)

    def scheduled(self) -> list[str]:
        """The entries of the schedule, each as `stage:id`."""
        return [
            f"{stage}:{entry_id}"
            for stage in Stage
            for entry_id in self.broker.command("ZRANGE", keys.SCHEDULE(stage), 0, -1)
        ]

    def running_ids(self) -> list[str]:
        """The jobs that have a slot, in the order of their starts."""
        return list(self.broker.command("ZRANGE", str(keys.RUNNING), 0, -1))

    def now(self) -> float:
        """The time by which Redis goes."""
        return float(self.broker.command("TIME")[0])

    def objects(self) -> list[str]:
        """The keys in the bucket."""
        answer = self.aws("s3").list_objects_v2(Bucket=BUCKET)
        return [each["Key"] for each in answer.get("Contents", [])]

    def fault(self, **fields: object) -> None:
        """Tell the endpoint to misbehave; the fields are those of a localaws fault."""
        self._admin("POST", "faults", json.dumps([fields]).encode())

    def replace_faults(self, *faults: Mapping[str, object]) -> None:
        """Clear all faults and set these at once: no call and no job is without a fault between."""
        self._admin("PUT", "faults", json.dumps(faults).encode())

    def block(self, **fields: object) -> None:
        """Delay calls until `clear_faults`, as far as their client waits; fields as of a fault."""
        self.fault(**{"kind": "timeout", "seconds": 600, **fields})

    def faults(self) -> list[dict[str, Any]]:
        """The faults that may still strike."""
        left: list[dict[str, Any]] = self._admin("GET", "faults")
        return left

    def clear_faults(self) -> None:
        """Let the endpoint behave again, also in calls that it delays and jobs that are stuck."""
        self._admin("DELETE", "faults")

    def _admin(self, method: str, path: str, body: bytes | None = None) -> Any:
        return administer(self.sandbox, self.endpoint, path, method, body)

    def account(self) -> dict[str, Any]:
        """What the endpoint saw: jobs started, most at once, calls by operation."""
        found: dict[str, Any] = self._admin("GET", "jobs")
        return found

    def calls(self, operation: str) -> int:
        """How often the endpoint was called for an operation."""
        made = self.account()["calls"].get(operation)
        return int(made["count"]) if made else 0

    def crashes(self) -> list[str]:
        """The tracebacks in the logs of all workers."""
        logs = [path.stem for path in self.sandbox.folder.glob("*.log")]
        lines = [line for name in logs for line in self.log(name)]
        ours = (
            "stage.crashed",
            "dispatcher.crashed",
            "background.crashed",
            "health.crashed",
            "Unrecoverable",
            "Task ",
        )
        return [
            str(line["exception"])
            for line in lines
            if "exception" in line and line["event"].startswith(ours)
        ]

    def log(self, name: str = "worker") -> list[dict[str, Any]]:
        """The JSON lines of a worker's log; Celery's banner is passed over."""
        lines = self.sandbox.log(name).read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]
