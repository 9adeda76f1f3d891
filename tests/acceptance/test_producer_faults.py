"""Redis fails while a producer submits or waits: it learns what became of its jobs, and in time."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1

import pytest

from producer import Client
from producer.backend import scripts
from producer.backend.job_store import JobStore
from producer.contract.job import JobState
from producer.errors import BrokerUnavailable
from producer.settings import ProducerSettings
from producer.waiting import as_they_end
from tests.support.proxy import proxied
from tests.support.stack import LEASE, Stack
from tests.support.waiting import DEADLINE, until

#: How the call of the script that records jobs begins; that which tries rights comes before.
_SUBMIT_JOBS = sha1(scripts.load("submit_jobs").source.encode()).hexdigest()  # noqa: S324 - as Redis names scripts
SUBMITS = f"EVALSHA\r\n$40\r\n{_SUBMIT_JOBS}".encode()


def client_of(url: str) -> Client:
    return Client(settings=ProducerSettings(redis_url=url))


def test_without_redis_nothing_was_recorded_and_the_error_says_so(stack: Stack) -> None:
    stack.stop_redis(signal.SIGTERM)
    with pytest.raises(BrokerUnavailable, match="Nothing was recorded") as caught:
        stack.client.submit("/audio/a.wav", name="one")
    assert caught.value.accepted is False
    assert caught.value.job_ids == ("one",)
    done = stack.transcribe("submit", str(stack.sample("silence.wav")))
    assert done.returncode == 4
    assert "Nothing was recorded." in done.stderr


def test_a_full_redis_has_recorded_nothing(stack: Stack) -> None:
    stack.broker.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(BrokerUnavailable) as caught:
        stack.client.submit("/audio/a.wav", name="one")
    assert caught.value.accepted is False
    stack.broker.command("CONFIG", "SET", "maxmemory", "0")
    assert stack.client.list() == []


def test_a_lost_answer_is_unsure_and_submitting_again_is_safe(stack: Stack) -> None:
    with (
        proxied(stack, lost_after=SUBMITS) as proxy,
        client_of(proxy.url) as far,
        pytest.raises(BrokerUnavailable, match="is not known") as caught,
    ):
        far.submit("/audio/a.wav", language="en-GB")
    assert caught.value.accepted is None
    (job_id,) = caught.value.job_ids
    again = stack.client.submit("/audio/a.wav", name=job_id, language="en-GB")
    assert again.id == job_id
    assert [job.id for job in stack.client.list()] == [job_id]


def test_many_with_a_lost_answer_can_be_submitted_again(stack: Stack) -> None:
    requests = [{"audio": f"/audio/{number}.wav"} for number in range(20)]
    with (
        proxied(stack, lost_after=SUBMITS) as proxy,
        client_of(proxy.url) as far,
        pytest.raises(BrokerUnavailable) as caught,
    ):
        far.submit_many(requests)
    ids = caught.value.job_ids
    named = [{**request, "name": name} for request, name in zip(requests, ids, strict=True)]
    assert stack.client.submit_many(named) == list(ids)
    assert {job.id for job in stack.client.list(limit=100)} == set(ids)


def test_a_job_that_was_recorded_but_cannot_be_read_is_said_to_be(stack: Stack) -> None:
    with (
        proxied(stack, lost_after=b"*2\r\n$7\r\nHGETALL") as proxy,
        client_of(proxy.url) as far,
        pytest.raises(BrokerUnavailable, match="was recorded") as caught,
    ):
        far.submit("/audio/a.wav", name="one")
    assert caught.value.accepted is True
    assert stack.client.get("one").state is JobState.QUEUED


class ObservedStore(JobStore):
    """A store that lets a test know when Redis was found gone."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.broker, retention=3600, lease=LEASE)
        self.found_gone = threading.Event()

    def last_event(self) -> str:
        try:
            return super().last_event()
        except BrokerUnavailable:
            self.found_gone.set()
            raise


def test_a_wait_that_starts_while_redis_is_gone_is_as_patient(stack: Stack) -> None:
    stack.client.submit("/audio/a.wav", name="patient")
    stack.client.cancel("patient")
    stack.stop_redis(signal.SIGTERM)
    store = ObservedStore(stack)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: list(as_they_end(store, ["patient"], 60, cleaned=False)))
        assert store.found_gone.wait(30)
        stack.start_redis_again()
        (job,) = waiting.result()
    assert job.state is JobState.CANCELLED


def test_a_wait_outlives_a_restart_of_redis(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:1")
    stack.start_worker()
    job = stack.client.submit(stack.sample("silence.wav"), name="patient")
    found: list[JobState] = []
    with proxied(stack) as proxy, client_of(proxy.url) as far:
        waiting = threading.Thread(
            target=lambda: found.append(far.wait(job.id, timeout=DEADLINE)[job.id].state)
        )
        waiting.start()
        until(lambda: stack.broker.command("INFO", "clients")["blocked_clients"] > 1)
        stack.stop_redis(signal.SIGKILL)
        # More often than the connection tries again by itself.
        until(lambda: proxy.refused >= 5)
        stack.start_redis_again()
        waiting.join(timeout=DEADLINE)
    assert found == [JobState.COMPLETED]
