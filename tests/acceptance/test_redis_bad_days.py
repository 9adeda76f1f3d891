"""Redis forgets its last second, is away for long, answers slowly; jobs end, each started once."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from producer import Client
from producer.contract.job import JobState
from producer.errors import BrokerUnavailable, JobNotFound
from producer.settings import ProducerSettings
from tests.support.slow_proxy import slowly
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long

#: Seconds until a worker starts jobs again once Redis is back, beyond the usual.
BACK_WITHIN = 15.0


def submit(stack: Stack, prefix: str, number: int) -> list[str]:
    """Many jobs at once."""
    recording = stack.sample("silence.wav")
    return stack.client.submit_many(
        {"audio": str(recording), "name": f"{prefix}-{each}"} for each in range(number)
    )


def started(stack: Stack) -> list[str]:
    return [each["name"] for each in stack.account()["jobs"]]


def assert_done_once(stack: Stack, ids: list[str]) -> None:
    jobs = stack.client.wait(ids, timeout=DEADLINE)
    assert {job.state for job in jobs.values()} == {JobState.COMPLETED}
    assert sorted(started(stack)) == sorted(ids)


def client_of(url: str) -> Client:
    return Client(settings=ProducerSettings(redis_url=url))


def test_what_redis_forgot_is_done_again_but_not_started_again(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    worker = stack.start_worker(max_running_jobs="4")
    # Its result is fetched only when we say so.
    stack.fault(operation="GetObject", kind="error500", match="/paid/")
    paid = stack.client.submit(stack.sample("silence.wav"), name="paid", cleanup=True)
    stack.job_in(paid.id, JobState.COLLECTING)
    kept = submit(stack, "kept", 10)
    until(lambda: stack.client.counts()[JobState.COMPLETED] >= 2)

    data = Path(stack.sandbox.folder) / "redis"
    copy = shutil.copytree(data, stack.folder / "a second ago")
    done = stack.account()["accepted"]
    lost = submit(stack, "lost", 2)
    urgent = stack.client.submit(stack.audio / "silence.wav", name="urgent", priority=0)
    stack.job_in(urgent.id, JobState.TRANSCRIBING, JobState.COMPLETED)
    until(lambda: stack.account()["accepted"] >= done + 4)
    stack.clear_faults()
    stack.job_in(paid.id, JobState.COMPLETED)
    stack.stop_redis(signal.SIGKILL)
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    stack.start_redis_again()

    for name in (*lost, urgent.id):
        with pytest.raises(JobNotFound):
            stack.client.get(name)
    assert stack.client.get(paid.id).state is not JobState.COMPLETED
    assert submit(stack, "lost", 2) == lost
    stack.client.submit(stack.audio / "silence.wav", name="urgent", priority=0)
    assert_done_once(stack, [*kept, *lost, urgent.id, paid.id])
    assert stack.client.wait(paid.id, timeout=DEADLINE, cleaned=True)[paid.id].cleanup_error is None
    assert worker.poll() is None


def seconds_until_started(stack: Stack, name: str) -> float:
    """Submit a job; returns the seconds until a worker takes it up."""
    started_at = time.monotonic()
    stack.client.submit(stack.sample("silence.wav"), name=name)
    stack.job_in(name, *[state for state in JobState if state is not JobState.QUEUED])
    return time.monotonic() - started_at


def test_a_worker_is_back_soon_however_long_redis_was_away(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    worker = stack.start_worker()
    usual = seconds_until_started(stack, "before")
    # It waits for messages.
    until(lambda: stack.broker.command("INFO", "clients")["blocked_clients"] > 0)
    stack.stop_redis(signal.SIGKILL)

    def waits() -> list[float]:
        """What the consumer said, each time it found no Redis, of when it tries again."""
        lines = [line["event"] for line in stack.log() if "Trying again in" in line["event"]]
        return [float(line.split("Trying again in ")[1].split()[0]) for line in lines]

    # What is said again and again is in the log once in ten seconds.
    until(lambda: len(waits()) >= 4)
    stack.start_redis_again()
    assert seconds_until_started(stack, "after") < BACK_WITHIN + usual
    # Had it been away for minutes, it would have been no longer.
    assert max(waits()) <= 5
    assert_done_once(stack, ["before", "after"])
    assert worker.poll() is None


def test_a_connection_that_died_without_a_word_is_replaced_in_time(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    with slowly(stack) as way:
        worker = stack.start_worker(redis_url=way.url)
        usual = seconds_until_started(stack, "before")
        assert_done_once(stack, ["before"])
        way.forget()
        assert seconds_until_started(stack, "after") < BACK_WITHIN + usual
        assert worker.poll() is None
        worker.terminate()
        worker.wait(timeout=DEADLINE)


def test_slow_answers_double_nothing(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    with slowly(stack) as way, slowly(stack) as ours:
        worker = stack.start_worker(redis_url=way.url, lease="6")
        way.delay = ours.delay = 0.3
        ids = submit(stack, "slow", 2)
        with client_of(ours.url) as far:
            ids.append(far.submit(stack.audio / "silence.wav", name="slow-too").id)
            assert ours.answers * ours.delay < 10
        assert_done_once(stack, ids)
        assert not [line for line in stack.log() if line["event"] == "stage.lease_lost"]
        assert worker.poll() is None
        way.delay = 0
        worker.terminate()
        worker.wait(timeout=DEADLINE)


def test_a_worker_whose_redis_stalls_is_overtaken_and_doubles_nothing(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    # Where there is a password, the answer to that is the first that is not there.
    stack.broker.command("ACL", "SETUSER", "default", "nopass")
    with slowly(stack) as way, slowly(stack) as ours:
        stalled = stack.start_worker("stalled", redis_url=way.url)
        ids = submit(stack, "job", 8)
        until(lambda: stack.client.counts()[JobState.TRANSCRIBING] >= 2)
        way.stall()
        ours.stall()
        answers: list[BrokerUnavailable | float] = []
        asking = threading.Thread(target=ask, args=(f"redis://{ours.address}/0", answers))
        asking.start()
        stack.start_worker("direct")
        assert_done_once(stack, ids)
        asking.join(timeout=DEADLINE)
        for _ in range(2):
            way.resume()
            ids += submit(stack, f"again-{len(ids)}", 3)
            until(lambda: stack.client.counts()[JobState.UPLOADING] == 0)
            way.stall()
            assert_done_once(stack, ids)
        way.resume()
        error, seconds = answers
        assert isinstance(error, BrokerUnavailable)
        assert error.accepted is False
        assert isinstance(seconds, float)
        # Twice 5 s, and what a busy machine adds.
        assert ours.connections <= 2
        assert seconds < 20
        assert stalled.poll() is None
        until(lambda: len(stack.client.fleet.alive()) == 2)
        stalled.terminate()
        stalled.wait(timeout=DEADLINE)


def ask(url: str, answers: list[BrokerUnavailable | float]) -> None:
    """Submit through a proxy that is silent; adds the error and the seconds until it came."""
    started_at = time.monotonic()
    with client_of(url) as far:
        try:
            far.submit("/audio/x.wav", name="nobody-knows")
        except BrokerUnavailable as error:
            answers += [error, time.monotonic() - started_at]
