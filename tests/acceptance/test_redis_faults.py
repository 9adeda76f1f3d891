"""Redis restarts, cuts connections, is full, falls silent; workers live on and nothing is lost."""

from __future__ import annotations

import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from producer import Client
from producer.contract.job import JobState
from producer.errors import BrokerUnavailable
from producer.settings import ProducerSettings
from tests.support.proxy import proxied
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.redis


def submit(stack: Stack, prefix: str, number: int) -> list[str]:
    """Many jobs at once."""
    first = stack.sample("silence.wav")
    paths = [stack.audio / f"{prefix}-{each}.wav" for each in range(number)]
    for path in paths:
        shutil.copy(first, path)
    return stack.client.submit_many([{"audio": str(path), "name": path.stem} for path in paths])


def assert_all_done_once(stack: Stack, ids: list[str]) -> None:
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    started = [each["name"] for each in stack.account()["jobs"]]
    assert sorted(started) == sorted(set(started))
    assert set(ids) <= set(started)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_live_through_restarts_of_redis(stack: Stack, number: signal.Signals) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    workers = [
        stack.start_worker("one", max_running_jobs="8"),
        stack.start_worker("two", max_running_jobs="8"),
    ]
    ids = submit(stack, "job", 30)
    for done in (3, 12):
        stack.completed(done)
        stack.stop_redis(number)
        with pytest.raises(BrokerUnavailable):
            stack.client.submit("/audio/x.wav", name="not-taken")
        stack.start_redis_again()
    assert_all_done_once(stack, ids)
    assert [worker.poll() for worker in workers] == [None, None]


def test_connections_that_are_cut_are_made_again(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    worker = stack.start_worker(max_running_jobs="8")
    ids = submit(stack, "job", 20)
    for done in (2, 8, 14):
        stack.completed(done)
        # For a while, so that some command is cut off again as it is repeated.
        until_calm = time.monotonic() + 0.5
        while time.monotonic() < until_calm:
            stack.broker.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert_all_done_once(stack, ids)
    assert worker.poll() is None


def test_a_full_redis_refuses_producers_clearly_and_loses_nothing(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    worker = stack.start_worker(max_running_jobs="8")
    ids = submit(stack, "job", 10)
    until(lambda: stack.client.counts()[JobState.COMPLETED] >= 2)
    stack.broker.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(BrokerUnavailable, match="maxmemory"):
        stack.client.submit("/audio/x.wav", name="not-taken")
    until(lambda: any(line["event"] == "redis.lost" for line in stack.log()))
    stack.broker.command("CONFIG", "SET", "maxmemory", "0")
    assert_all_done_once(stack, ids)
    assert worker.poll() is None
    assert "not-taken" not in [job.id for job in stack.client.list(limit=1000)]


def test_a_silent_network_is_noticed_and_survived(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    with proxied(stack) as proxy:
        worker = stack.start_worker(max_running_jobs="4", redis_url=proxy.url)
        ids = submit(stack, "job", 12)
        until(lambda: stack.client.counts()[JobState.COMPLETED] >= 2)
        proxy.speaks.clear()
        until(lambda: any(line["event"] == "redis.lost" for line in stack.log()))
        far = Client(settings=ProducerSettings(redis_url=proxy.url))
        with pytest.raises(BrokerUnavailable):
            far.submit("/audio/x.wav", name="nobody-knows")
        far.close()
        proxy.speaks.set()
        assert_all_done_once(stack, ids)
        assert worker.poll() is None
        worker.terminate()
        worker.wait(timeout=DEADLINE)


def test_a_redis_that_lost_everything_accepts_new_jobs(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    worker = stack.start_worker()
    submit(stack, "old", 5)
    stack.job_in("old-0", JobState.TRANSCRIBING)
    stack.stop_redis(signal.SIGKILL)
    shutil.rmtree(Path(stack.sandbox.folder) / "redis")
    (Path(stack.sandbox.folder) / "redis").mkdir()
    stack.start_redis_again()
    ids = submit(stack, "new", 5)
    assert_all_done_once(stack, ids)
    until(lambda: any(line["event"] == "redis.empty" for line in stack.log()))
    doctor = stack.transcribe("doctor")
    assert doctor.returncode == 1
    assert "transcribe recover" in doctor.stdout
    assert worker.poll() is None


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), "is full"),
        (("REPLICAOF", "127.0.0.1", "1"), "is a replica"),
    ],
    ids=["full", "replica"],
)
def test_doctor_says_that_redis_refuses_writes(
    stack: Stack, command: tuple[str, ...], says: str
) -> None:
    assert "ok   redis: version" in stack.transcribe("doctor").stdout
    stack.broker.command(*command)
    doctor = stack.transcribe("doctor")
    assert (doctor.returncode, doctor.stderr) == (1, "")
    assert re.search(rf"^FIX  redis: .* {says}", doctor.stdout)
