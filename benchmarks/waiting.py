"""What jobs that wait cost: memory of Redis for each, and of a worker for all of them.

`python -m benchmarks.waiting [--jobs 100000] [--packed]` records jobs in a Redis of its own, takes
them through upload into the line of READY with the calls that a dispatcher and a task make, and
asks Redis.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import psutil

from producer import Client
from producer.broker import Broker
from producer.cli.sandbox import Sandbox
from producer.contract import JobState, Stage
from producer.fleet import Fleet
from producer.schedule import Schedule
from producer.settings import ProducerSettings
from producer.store import PREFIX

LEASE = 600.0
#: What a job may cost while it is READY, in bytes of Redis.
GOAL = 2048
BATCH = 500


def requests(number: int, tenants: int) -> Iterator[dict[str, object]]:
    """As a team submits recordings of calls that are on S3 already."""
    for each in range(number):
        yield {
            "audio": f"s3://my-recordings/calls/2026/11/24/call-{each:08}.wav",
            "name": f"call-{each:08}",
            "language": "en-GB",
            "formats": ["txt", "srt"],
            "metadata": {"tenant": f"tenant-{each % tenants}", "call": each},
        }


def make_ready(client: Client, broker: Broker, number: int) -> None:
    """Bring all QUEUED jobs into the line of READY, as dispatchers and upload tasks do."""
    schedule = Schedule(broker, LEASE)
    for _ in range(0, number, BATCH):
        names = [name for _, name in schedule.claim(BATCH)]
        holds = broker.run_many("begin", [(Stage.UPLOAD, name, LEASE) for name in names])
        uploaded = ["media_uri", "s3://my-recordings/transcribe-queue/{0}/{0}.wav"]
        to_ready = [JobState.UPLOADING, JobState.READY, "ready", LEASE, 86400]
        broker.run_many(
            "advance",
            [
                [Stage.UPLOAD, name, hold[0], name, *to_ready, *(t.format(name) for t in uploaded)]
                for name, hold in zip(names, holds, strict=True)
            ],
        )
        # The tasks have taken their messages.
        broker.command("DEL", Stage.UPLOAD.queue)
    assert client.counts()[JobState.READY] == number


def used(broker: Broker) -> int:
    """Bytes that Redis has in use."""
    return int(broker.command("INFO", "memory")["used_memory"])


def parts(broker: Broker, number: int) -> dict[str, float]:
    """Bytes a job by kind of key, as Redis counts them."""
    found: dict[str, float] = {}
    cursor = "0"
    while True:
        cursor, keys = broker.command("SCAN", cursor, "COUNT", 1000)
        sizes = broker.commands(("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys)
        for key, size in zip(keys, sizes, strict=True):
            kind = key.removeprefix(PREFIX).split(":")[0] if key.startswith(PREFIX) else "Celery's"
            found[kind] = found.get(kind, 0) + size / number
        if str(cursor) == "0":
            return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def worker_bytes(sandbox: Sandbox, broker: Broker, url: str, name: str) -> int:
    """Memory of a real worker that has looked at the lines for a while, and may start nothing."""
    environment = {
        "TRANSCRIBE_REDIS_URL": url,
        "TRANSCRIBE_BUCKET": "benchmark",
        "TRANSCRIBE_START_RATE": "0.0001",
        "TRANSCRIBE_DISPATCH_INTERVAL": "0.05",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def alive() -> bool:
        return any(each.name.startswith(f"{name}@") for each in Fleet(broker).alive())

    worker = sandbox.start_worker(environment, alive, name)
    looks = time.monotonic() + 5
    while time.monotonic() < looks:
        time.sleep(0.1)
    size = int(psutil.Process(worker.pid).memory_info().rss)
    worker.terminate()
    worker.wait(timeout=30)
    return size


def main() -> int:
    """Measure and print; 1 if a job costs more than the goal."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--jobs", type=int, default=100_000)
    words.add_argument("--tenants", type=int, default=10)
    words.add_argument("--packed", action="store_true", help="with docker-compose.yml's setting")
    given = words.parse_args()
    with Sandbox() as sandbox:
        url = sandbox.start_redis()
        broker = Broker(url)
        client = Client(settings=ProducerSettings(redis_url=url))
        if given.packed:
            # The name by which every version of Redis knows hash-max-listpack-value.
            broker.command("CONFIG", "SET", "hash-max-ziplist-value", 1024)
        idle = worker_bytes(sandbox, broker, url, "idle")
        empty = used(broker)
        client.submit_many(requests(given.jobs, given.tenants))
        queued = (used(broker) - empty) / given.jobs
        make_ready(client, broker, given.jobs)
        ready = (used(broker) - empty) / given.jobs
        print(f"{given.jobs} jobs of {given.tenants} tenants, bytes of Redis for each:")
        print(f"  QUEUED {queued:7.0f}")
        print(f"  READY  {ready:7.0f}  (goal: under {GOAL})")
        for kind, size in parts(broker, given.jobs).items():
            if size >= 0.1:
                print(f"    {kind:<10} {size:7.1f}")
        loaded = worker_bytes(sandbox, broker, url, "loaded")
        print(f"a worker: {idle / 2**20:.1f} MiB with none waiting, {loaded / 2**20:.1f} with all")
        client.close()
        broker.close()
    return 0 if ready < GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
