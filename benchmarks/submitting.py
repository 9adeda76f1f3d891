"""How fast jobs are submitted, where the time goes, and how that compares with doing without.

`python -m benchmarks.submitting [--jobs 10000]` uses a Redis of its own and no workers. All ways
submit the same requests; a figure is the median of some rounds, in which the ways take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from celery import Celery

from producer import Client
from producer.backend.connection import Broker
from producer.backend.job_store import JobStore
from producer.cli.sandbox.processes import Sandbox
from producer.contract.job import JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.submission import Submission
from producer.settings import ProducerSettings

#: Jobs a second, on two cores.
GOAL = 3000
#: The ways that are slow submit only so many.
FEW = 2000


def requests(number: int) -> list[dict[str, object]]:
    """As a team submits recordings of calls that are on S3 already."""
    return [
        {
            "audio": f"s3://my-recordings/calls/2026/11/24/call-{each:08}.wav",
            "name": f"call-{each:08}",
            "language": "en-GB",
            "formats": ["txt", "srt"],
            "metadata": {"tenant": f"tenant-{each % 10}", "call": each},
        }
        for each in range(number)
    ]


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action lasts."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


class Ways:
    """Each way to submit, on an empty Redis; a method returns its jobs a second."""

    def __init__(self, url: str, fields: list[dict[str, object]]) -> None:
        self.broker = Broker(url)
        self.client = Client(settings=ProducerSettings(redis_url=url))
        self.celery = Celery(broker=url)
        self.fields = fields

    def submit_many(self) -> float:
        """Ours, for many."""
        seconds = timed(lambda: self.client.submit_many(iter(self.fields)))
        assert self.client.counts()[JobState.QUEUED] == len(self.fields)
        return len(self.fields) / seconds

    def submit(self) -> float:
        """Ours, one call a job."""
        few = [TranscriptionRequest.parse(each) for each in self.fields[:FEW]]
        seconds = timed(lambda: [self.client.submit(each) for each in few])
        assert self.client.counts()[JobState.QUEUED] == len(few)
        return len(few) / seconds

    def send_task(self) -> float:
        """Celery's message a job: no record, no check, nothing that notices a second time."""
        few = self.fields[:FEW]
        with self.celery.connection_for_write() as connection:
            producer = self.celery.amqp.Producer(connection)
            seconds = timed(
                lambda: [
                    self.celery.send_task("transcribe", [each], producer=producer, queue="baseline")
                    for each in few
                ]
            )
        assert self.broker.command("LLEN", "baseline") == len(few)
        return len(few) / seconds

    def close(self) -> None:
        """Close the connections."""
        self.celery.close()
        self.client.close()
        self.broker.close()


def shares(broker: Broker, fields: list[dict[str, object]]) -> dict[str, float]:
    """Microseconds of this process's CPU that each part of `submit_many` needs for a job."""
    checked: list[TranscriptionRequest] = []
    submissions: list[Submission] = []
    store = JobStore(broker, retention=3600, lease=10)
    parts = {
        "check (pydantic)": lambda: checked.extend(map(TranscriptionRequest.parse, fields)),
        "canonical JSON": lambda: submissions.extend(map(Submission.of, checked)),
        "pipeline": lambda: list(store.record(submissions, deadline=3600, at_once=False)),
    }
    found = {}
    for what, part in parts.items():
        started = time.process_time()
        part()
        found[what] = (time.process_time() - started) / len(fields) * 1e6
    return found


def in_scripts(broker: Broker, number: int) -> float:
    """Microseconds a job that Redis spent in scripts."""
    return float(broker.command("INFO", "commandstats")["cmdstat_evalsha"]["usec"]) / number


def memory(fields: list[dict[str, object]]) -> tuple[float, float]:
    """Bytes a job that is checked but not recorded, as a request and as a submission."""
    tracemalloc.start()
    checked = [TranscriptionRequest.parse(each) for each in fields]
    before = tracemalloc.get_traced_memory()[0]
    submissions = [Submission.of(each) for each in checked]
    small = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(submissions) == len(checked)
    return before / len(fields), small / len(fields)


def main() -> int:
    """Measure and print; 1 if `submit_many` is slower than the goal."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--jobs", type=int, default=10_000)
    words.add_argument("--rounds", type=int, default=5)
    options = words.parse_args()
    fields = requests(options.jobs)
    with Sandbox() as sandbox:
        ways = Ways(sandbox.start_redis(admin_commands=True), fields)
        rates: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for way in (ways.submit_many, ways.submit, ways.send_task):
                ways.broker.command("FLUSHALL")
                rates.setdefault(way.__name__, []).append(way())
        ways.broker.command("FLUSHALL")
        ways.broker.command("CONFIG", "RESETSTAT")
        parts = shares(ways.broker, fields)
        in_redis = in_scripts(ways.broker, options.jobs)
        ways.close()
    ours = statistics.median(rates["submit_many"])
    print(f"{options.jobs} jobs, jobs a second (median of {options.rounds}, least and most):")
    for name, found in rates.items():
        median = statistics.median(found)
        print(
            f"  {name:<12} {median:7.0f} ({min(found):.0f} to {max(found):.0f})"
            f"  submit_many is {ours / median:.1f} times as fast"
        )
    print(f"goal of submit_many: {GOAL}")
    print("microseconds of CPU a job:")
    for what, each in {**parts, "Redis, in Lua": in_redis}.items():
        print(f"  {what:<18} {each:6.1f}")
    request, small = memory(fields)
    print(f"bytes a job before recording: {request:.0f} as requests, {small:.0f} as submissions")
    return 0 if ours >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
