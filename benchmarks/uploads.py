"""Compares uploads with the plain way: `upload_fileobj` for each file, in a pool of threads.

    python -m benchmarks.uploads

Both ways run in turn in processes of their own, on the same files, against one local AWS emulator;
the ratio counts. Waits are measured over a link of limited bytes a second for all connections; ours
are those of the jobs of a real worker.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from producer import Client
from producer.cli.sandbox.processes import Sandbox
from producer.contract.job import Job, JobState
from producer.contract.s3_uri import S3Uri
from producer.settings import ProducerSettings
from worker.aws.s3 import Storage
from worker.aws.session import Aws
from worker.settings import WorkerSettings

KB, MB = 1024, 1024 * 1024
BUCKET = "benchmark"
THREADS = 16
SMALL_BYTES = 100 * KB


class Plain:
    """Look whether it is there, then let boto3 upload the file."""

    def __init__(self, client: Any) -> None:
        self._client = client
        part = 8 * MB
        self._config = TransferConfig(
            multipart_threshold=part, multipart_chunksize=part, max_concurrency=4
        )

    def put(self, path: Path, key: str) -> None:
        with suppress(ClientError):
            self._client.head_object(Bucket=BUCKET, Key=key)
        with path.open("rb") as file:
            self._client.upload_fileobj(file, BUCKET, key, Config=self._config)


class Ours:
    """What a worker does."""

    def __init__(self, client: Any) -> None:
        self._storage = Storage(client, "on")

    def put(self, path: Path, key: str) -> None:
        with path.open("rb") as file:
            self._storage.put(
                file, S3Uri(f"s3://{BUCKET}/{key}"), key, lambda _: None, only_new=True
            )


WAYS: dict[str, type[Plain | Ours]] = {"plain": Plain, "ours": Ours}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=400, help="small files (100 KB)")
    parser.add_argument("--huge", type=int, default=24, help="huge files")
    parser.add_argument("--huge-mb", type=int, default=32, help="size of each, in MB")
    parser.add_argument("--link-mb", type=int, default=40, help="what the link carries in a second")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(_measure(options)))
        return
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        endpoint = sandbox.start_localaws(BUCKET, "--recogniser", "fixed:0.1")
        os.environ |= {
            "AWS_ENDPOINT_URL": endpoint,
            **sandbox.aws_keys,
            "AWS_DEFAULT_REGION": "us-east-1",
            "TRANSCRIBE_BUCKET": BUCKET,
            "TRANSCRIBE_CONDITIONAL_PUT": "on",
        }
        _report(options, Path(folder), endpoint)


def _report(options: argparse.Namespace, folder: Path, endpoint: str) -> None:
    print("| | plain | ours | ours / plain |\n|---|---|---|---|")
    folder_of_small, folder_of_both = folder / "small", folder / "both"
    _write(folder_of_small, options.small, 0, 0)
    _write(folder_of_both, options.small // 2, options.huge // 3, options.huge_mb)
    found = {way: _run(way, folder_of_small) for way in WAYS}
    _row("CPU of a small upload, ms", found, "cpu_ms", "{:.1f}")
    _row("small uploads a second", found, "rate", "{:.0f}")
    _row("reads of each byte, small", found, "reads", "{:.2f}")
    found = {way: _run(way, folder_of_both) for way in WAYS}
    _row("peak memory, small and huge, MB", found, "peak_mb", "{:.0f}")
    _row("MB/s, small and huge", found, "mb_rate", "{:.0f}")
    isolated, waiting = folder / "alone", folder / "waiting"
    _write(isolated, 60, 0, 0)
    _write(waiting, 60, options.huge, options.huge_mb)
    with _link(endpoint, options.link_mb * MB) as slow:
        os.environ["AWS_ENDPOINT_URL"] = slow
        found = {"plain": _run("plain", isolated), "ours": _by_worker(isolated)}
        _row("wait of a small one of 60, s", found, "wait", "{:.2f}")
        found = {"plain": _run("plain", waiting), "ours": _by_worker(waiting)}
    _row("the same behind huge ones, s", found, "wait", "{:.2f}")
    _row("the longest of these waits, s", found, "max_wait", "{:.2f}")
    _row("all of them, s", found, "all", "{:.1f}")


def _row(what: str, found: dict[str, dict[str, float]], name: str, form: str) -> None:
    plain, ours = found["plain"][name], found["ours"][name]
    print(
        f"| {what} | {form.format(plain)} | {form.format(ours)} | {ours / plain:.2f} |", flush=True
    )


def _write(folder: Path, small: int, huge: int, huge_mb: int) -> None:
    folder.mkdir()
    sound = b"RIFF" + bytes(4) + b"WAVEfmt " + (16).to_bytes(4, "little")
    sound += bytes.fromhex("01000100803e0000007d000002001000") + b"data"
    for number in range(small):
        path = folder / f"small-{number}.wav"
        length = SMALL_BYTES.to_bytes(4, "little")
        path.write_bytes(sound + length + number.to_bytes(4, "big") + bytes(SMALL_BYTES))
    for number in range(huge):
        with (folder / f"huge-{number}.wav").open("wb") as file:
            file.write(sound + (huge_mb * MB).to_bytes(4, "little"))
            file.truncate(huge_mb * MB)


def _run(way: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", __spec__.name, "--way", way, "--folder", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def _measure(options: argparse.Namespace) -> dict[str, float]:
    """In a process of its own: put all files of a folder, the huge ones first."""
    way = WAYS[options.way](Aws(WorkerSettings.load()).s3())
    paths = sorted(options.folder.iterdir(), key=lambda path: -path.stat().st_size)
    size = sum(path.stat().st_size for path in paths)
    way.put(min(paths, key=lambda path: path.stat().st_size), f"{options.way}/warm")
    waited: dict[str, float] = {}
    before = (_cpu(), _peak(), _read())
    started_at = time.perf_counter()

    def put(path: Path) -> None:
        way.put(path, f"{options.way}/{options.folder.name}/{path.name}")
        waited[path.name] = time.perf_counter() - started_at

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(put, paths))
    seconds = time.perf_counter() - started_at
    waits = [wait for name, wait in waited.items() if name.startswith("small")]
    return {
        "cpu_ms": 1000 * (_cpu() - before[0]) / len(paths),
        "peak_mb": (_peak() - before[1]) / MB,
        "reads": (_read() - before[2]) / size,
        "rate": len(paths) / seconds,
        "mb_rate": size / MB / seconds,
        "wait": statistics.median(waits),
        "max_wait": max(waits),
        "all": seconds,
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * KB


def _read() -> int:
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])


def _by_worker(folder: Path) -> dict[str, float]:
    """The same files as jobs of one worker: how long until each is in S3."""
    with Sandbox() as sandbox:
        redis = sandbox.start_redis()
        environment = {
            "TRANSCRIBE_REDIS_URL": redis,
            "TRANSCRIBE_AUDIO_ROOTS": str(folder),
            "TRANSCRIBE_QUIET_PERIOD": "0",
        }
        jobs = _uploaded(sandbox, environment, folder)
    started_at = min(job.times[JobState.QUEUED] for job in jobs)
    waited = {job.id: (job.times[JobState.READY] - started_at).total_seconds() for job in jobs}
    waits = [wait for name, wait in waited.items() if name.startswith("small")]
    return {
        "wait": statistics.median(waits),
        "max_wait": max(waits),
        "all": max(waited.values()),
    }


def _uploaded(sandbox: Sandbox, environment: dict[str, str], folder: Path) -> list[Job]:
    with Client(settings=ProducerSettings(redis_url=environment["TRANSCRIBE_REDIS_URL"])) as client:
        sandbox.start_worker(environment, lambda: bool(client.fleet.alive()))
        for kind in ("huge", "small"):
            paths = sorted(folder.glob(f"{kind}-*"))
            client.submit_many({"audio": str(path), "name": path.stem} for path in paths)
        ids = [path.stem for path in folder.iterdir()]
        deadline = time.monotonic() + 300
        jobs: dict[str, Job] = {}
        while len(jobs) < len(ids):
            assert time.monotonic() < deadline, "not all were uploaded within 300 s"
            time.sleep(0.2)
            for name in set(ids) - set(jobs):
                job = client.get(name)
                assert job.error is None, job.error
                if JobState.READY in job.times:
                    jobs[name] = job
        return list(jobs.values())


class _Link:
    """Lets through so many bytes a second, to one side."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def carry(self, size: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            wait = self._free_at - now
        time.sleep(wait)


@contextmanager
def _link(endpoint: str, rate: float) -> Iterator[str]:
    """A proxy with a narrow link to an endpoint; returns its address."""
    port = int(endpoint.rsplit(":", 1)[1])
    link = _Link(rate)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def copy(source: socket.socket, target: socket.socket, *, narrow: bool) -> None:
            with suppress(OSError):
                while data := source.recv(64 * KB):
                    if narrow:
                        link.carry(len(data))
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for pair, narrow in (((near, far), True), ((far, near), False)):
                        threading.Thread(
                            target=copy, args=pair, kwargs={"narrow": narrow}, daemon=True
                        ).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    main()
