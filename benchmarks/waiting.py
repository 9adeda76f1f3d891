"""What jobs cost that wait for a slot: bytes each in Redis, and what a worker grows by.

The account has one slot, which one job keeps for good; all others are uploaded (here: found in S3)
and wait for it.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.stand import BUCKET, Stand
from benchmarks.systems import PIPELINE
from producer import Client, JobState

#: Settings and quota of an account with one slot.
SETTINGS = {"TRANSCRIBE_MAX_RUNNING_JOBS": "1"}
QUOTA = "jobs=1"
_BATCH = 5000


def measure(stand: Stand, jobs: int, workers: int) -> dict[str, Any]:
    """Have so many jobs wait, and compare before and after."""
    pids = stand.start_workers(PIPELINE, workers)
    with Client(stand.redis_url) as client:
        # The first jobs have what is made once: clients, connections, scripts.
        _submit(stand, client, 0, 200)
        _wait(client, 200)
        before = _state(stand, pids)
        started_at = time.monotonic()
        for first in range(200, jobs + 200, _BATCH):
            _submit(stand, client, first, min(first + _BATCH, jobs + 200))
        queued = _state(stand, pids)
        submitted = time.monotonic() - started_at
        _wait(client, jobs + 200)
    after = _state(stand, pids)
    seconds = time.monotonic() - started_at
    return {
        "jobs": jobs,
        "workers": workers,
        "submit_s": submitted,
        "until_ready_s": seconds,
        "bytes_a_job_just_submitted": (queued["redis"] - before["redis"]) / jobs,
        "bytes_a_job_ready": (after["redis"] - before["redis"]) / jobs,
        "worker_rss_before_mb": before["rss"] / 2**20,
        "worker_rss_after_mb": after["rss"] / 2**20,
        "worker_bytes_a_job": (after["rss"] - before["rss"]) / jobs,
        "redis_mb": after["redis"] / 2**20,
    }


def report(figures: dict[str, Any]) -> str:
    """The figures, one a line."""
    return "\n".join(f"{name:28} {value:>14,.1f}" for name, value in figures.items())


def _submit(stand: Stand, client: Client, first: int, last: int) -> None:
    s3 = stand.s3()

    def put(number: int) -> None:
        # Each has an object of its own: else all would wait for the first.
        s3.put_object(Bucket=BUCKET, Key=f"{number:06d}.wav", Body=b"not listened to")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(first, last)))
    client.submit_many(
        {
            "audio": f"s3://{BUCKET}/{number:06d}.wav",
            "name": f"waiting-{number:06d}",
            "language": "en-US",
        }
        for number in range(first, last)
    )


def _wait(client: Client, jobs: int) -> None:
    """Return once all but the one that runs are READY. Raises RuntimeError if some end."""
    while (counts := client.counts())[JobState.READY] < jobs - 1:
        if any(counts[state] for state in JobState if state.is_terminal):
            raise RuntimeError(f"Jobs ended that should wait: {counts}")
        time.sleep(1)


def _state(stand: Stand, pids: list[int]) -> dict[str, int]:
    return {
        "redis": int(stand.broker.command("INFO", "memory")["used_memory"]),
        "rss": stand.rss(pids),
    }
