"""Calls to Amazon Transcribe by the fleet's rates, against a real Redis and endpoint."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import get_args

import pytest

from producer.backend import keys
from producer.backend.rate_limiter import Operation, Token
from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from tests.support.stack import Stack
from tests.support.stages import (
    acquired_work,
    collect_once,
    offline_worker,
    poll_once,
    started,
    uploaded,
    worker_of,
)
from tests.support.waiting import until
from worker import isolated
from worker.aws.errors import Unreachable
from worker.errors import Snooze, Transient
from worker.runtime.context import Context
from worker.settings import WorkerSettings
from worker.stages import cleanup as cleaning
from worker.stages import poll as polling
from worker.stages import start as starting

_QUOTAS: dict[Operation, int] = {
    "StartTranscriptionJob": 25,
    "GetTranscriptionJob": 30,
    "ListTranscriptionJobs": 5,
    "DeleteTranscriptionJob": 5,
    "GetVocabulary": 5,
    "GetVocabularyFilter": 5,
    "DescribeLanguageModel": 5,
}
_FAR = 1000.0
_COOLING_GET = keys.TOKENS_COOLING("GetTranscriptionJob")


def passed(moment: float) -> bool:
    return time.monotonic() > moment


@pytest.fixture
def offline(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return offline_worker(stack, monkeypatch)


def acquired(worker: Context, operation: Operation, number: int) -> list[Token]:
    """So many tokens, each free sooner or later."""
    tokens = [worker.admission.limiter.acquire(operation, _FAR) for _ in range(number)]
    assert all(token.id for token in tokens)
    return tokens


@pytest.mark.redis
@pytest.mark.parametrize("operation", get_args(Operation))
def test_there_are_as_many_tokens_as_calls_a_second_and_no_more(
    offline: Context, operation: Operation
) -> None:
    tokens = acquired(offline, operation, _QUOTAS[operation])
    assert {token.wait for token in tokens} == {0.0}, "a burst is allowed"
    # However long the answers are on their way.
    assert offline.admission.limiter.acquire(operation, _FAR).id == ""


@pytest.mark.command("acquire_token", "release_token")
@pytest.mark.redis
def test_a_token_is_free_again_a_second_after_the_answer(offline: Context) -> None:
    number = _QUOTAS["DeleteTranscriptionJob"]
    tokens = acquired(offline, "DeleteTranscriptionJob", number)
    asked_at = time.monotonic()
    for token in tokens:
        offline.admission.limiter.release(token)
    # All at once, each once: no other call gets them in the meantime.
    again = acquired(offline, "DeleteTranscriptionJob", number)
    for token in again:
        assert float(token.usable_at) > float(tokens[0].usable_at) + 1
    assert offline.admission.limiter.acquire("DeleteTranscriptionJob", _FAR).id == ""
    assert all(token.wait > 1 - (time.monotonic() - asked_at) for token in again)


def test_a_call_keeps_its_token_until_its_answer_has_come(stack: Stack, worker: Context) -> None:
    started(worker, stack)
    poll = acquired_work(worker, Stage.POLL, FLEET)
    stack.block(operation="GetTranscriptionJob", kind="timeout_after")
    gate = poll.rate_limited("GetTranscriptionJob")
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(worker.transcribe.status, "one", gate)
        until(lambda: "GetTranscriptionJob" in stack.account()["calls"])
        out = stack.broker.command("ZCARD", keys.TOKENS_USED("GetTranscriptionJob"))
        assert not asking.done()
        assert out == 1
        stack.clear_faults()
        assert isinstance(asking.exception(), Transient)
    assert stack.broker.command("ZCARD", keys.TOKENS_USED("GetTranscriptionJob")) == 0


@pytest.mark.redis
def test_an_unused_token_is_free_at_once(offline: Context) -> None:
    tokens = acquired(offline, "ListTranscriptionJobs", _QUOTAS["ListTranscriptionJobs"])
    offline.admission.limiter.release(tokens[0], used=False)
    assert acquired(offline, "ListTranscriptionJobs", 1)[0].wait == 0
    # But one that was waited for rests for as long as it would have.
    for token in tokens[1:]:
        offline.admission.limiter.release(token)
    (waited_for,) = acquired(offline, "ListTranscriptionJobs", 1)
    assert waited_for.wait > 0
    offline.admission.limiter.release(waited_for, used=False)
    assert offline.admission.limiter.acquire("ListTranscriptionJobs", 0).id == ""


def test_a_caller_that_cannot_wait_acquires_no_token(offline: Context) -> None:
    for token in acquired(offline, "DeleteTranscriptionJob", _QUOTAS["DeleteTranscriptionJob"]):
        offline.admission.limiter.release(token)
    for _ in range(2 * _QUOTAS["DeleteTranscriptionJob"]):
        raised = offline.admission.limiter.acquire("DeleteTranscriptionJob", 0)
        assert (raised.id, 0 < raised.wait <= 1.1) == ("", True)
    acquired(offline, "DeleteTranscriptionJob", _QUOTAS["DeleteTranscriptionJob"])


@pytest.mark.command("extend_tokens")
@pytest.mark.redis
def test_tokens_of_a_dead_worker_come_back_and_those_of_a_slow_one_do_not(
    stack: Stack, offline: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation: Operation = "DeleteTranscriptionJob"
    for name, seconds in (("_TOKEN_LASTS", 3.0), ("_SENT_WITHIN", 0.0)):
        monkeypatch.setattr(f"producer.backend.rate_limiter.{name}", seconds)
    dead = Context(WorkerSettings.load())
    acquired(dead, operation, 2)
    acquired(offline, operation, 3)
    # The living one says of its calls that they take longer.
    monkeypatch.setattr("producer.backend.rate_limiter._TOKEN_LASTS", 600.0)
    offline.admission.limiter.extend()
    assert offline.admission.limiter.acquire(operation, 0).id == ""
    until(lambda: offline.admission.limiter.acquire(operation, 0).id)
    until(lambda: offline.admission.limiter.acquire(operation, 0).id)
    expired_at = stack.now() + 3.0
    until(lambda: stack.now() > expired_at)
    assert offline.admission.limiter.acquire(operation, 0).id == "", "calls of living workers go on"


def test_an_isolated_stage_keeps_its_tokens(
    stack: Stack, offline: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("rate_limiter._TOKEN_LASTS", 3.0), ("rate_limiter._SENT_WITHIN", 0.0)):
        monkeypatch.setattr(f"producer.backend.{name}", seconds)
    monkeypatch.setattr("worker.isolated._EXTEND_EVERY", 0.2)
    operation: Operation = "DeleteTranscriptionJob"
    ours = Context(WorkerSettings.load())
    (kept,) = acquired(ours, operation, 1)
    ended = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        extending = threads.submit(isolated.extend, ours, ended)
        try:
            # The other tokens, which no worker extends, come back, though they were acquired later.
            acquired(offline, operation, 4)
            others = until(lambda: offline.admission.limiter.acquire(operation, 0).id)
            out = stack.broker.command("ZRANGE", keys.TOKENS_USED(operation), 0, -1)
        finally:
            ended.set()
        extending.result()
    assert kept.id in out
    assert others in out


@pytest.mark.parametrize(
    ("rate", "number", "seconds"), [(25, 25, 1), (2.5, 2, 1), (1, 1, 1), (0.4, 1, 2.5)]
)
def test_a_rate_need_not_be_a_whole_number(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    rate: float,
    number: int,
    seconds: float,
) -> None:
    monkeypatch.setenv("TRANSCRIBE_LIST_RATE", str(rate))
    worker = offline_worker(stack, monkeypatch)
    for token in acquired(worker, "ListTranscriptionJobs", number):
        worker.admission.limiter.release(token)
    (token,) = acquired(worker, "ListTranscriptionJobs", 1)
    assert seconds - 1 < token.wait <= seconds * 1.01


def test_one_throttled_call_slows_all_calls_of_its_operation(offline: Context) -> None:
    offline.admission.throttled("GetTranscriptionJob", 30)
    assert 20 < offline.admission.limiter.acquire("GetTranscriptionJob", _FAR).wait <= 30
    assert offline.admission.limiter.acquire("ListTranscriptionJobs", 0).wait == 0


@pytest.mark.command("record_refusal")
def test_refusals_that_come_together_halve_the_rate_once(offline: Context) -> None:
    for _ in range(5):
        offline.admission.throttled("GetTranscriptionJob", 0)
    tokens = acquired(offline, "GetTranscriptionJob", 15)
    assert {token.wait for token in tokens} == {0.0}
    assert offline.admission.limiter.acquire("GetTranscriptionJob", 0).id == ""
    # One in forty more each second.
    until(lambda: offline.admission.limiter.acquire("GetTranscriptionJob", 0).id)


def test_what_is_refused_again_is_halved_again_but_never_all_gone(offline: Context) -> None:
    for _ in range(4):
        offline.admission.throttled("ListTranscriptionJobs", 0)
        until(partial(passed, time.monotonic() + 1.1))
    assert offline.admission.limiter.acquire("ListTranscriptionJobs", _FAR).id
    assert offline.admission.limiter.acquire("ListTranscriptionJobs", _FAR).id == ""


def test_a_call_without_an_answer_keeps_its_token_for_longer(stack: Stack, worker: Context) -> None:
    started(worker, stack)
    stack.fault(operation="GetTranscriptionJob", kind="timeout")
    with pytest.raises(Transient):
        list(
            polling.ended_jobs(
                acquired_work(worker, Stage.POLL, FLEET), worker.running.snapshot("5")
            )
        )
    (resting,) = stack.broker.command("ZRANGE", _COOLING_GET, 0, -1)
    assert float(stack.broker.command("ZSCORE", _COOLING_GET, resting)) > stack.now() + 5


def test_work_that_waits_for_tokens_leaves_threads_for_other_work(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSCRIBE_CONCURRENCY", "4")
    worker = worker_of(stack, monkeypatch)
    started(worker, stack)
    poll = acquired_work(worker, Stage.POLL, FLEET)
    for each in acquired(worker, "DeleteTranscriptionJob", _QUOTAS["DeleteTranscriptionJob"]):
        worker.admission.limiter.release(each)

    def call(_: int) -> str:
        try:
            with poll.rate_limited("DeleteTranscriptionJob")():
                return "waited"
        except Snooze:
            return "came too early"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(call, range(4))) == ["came too early"] * 2 + ["waited"] * 2


def test_a_start_is_not_sent_before_a_token_is_free(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    assert worker.admission.capacity.admit() == ["one"]
    worker.admission.throttled("StartTranscriptionJob", 30)
    with pytest.raises(Snooze) as raised:
        starting.start_or_adopt(acquired_work(worker, Stage.START, "one"))
    assert 25 < raised.value.seconds <= 30
    assert stack.account()["accepted"] == 0


def test_no_job_is_asked_for_before_a_token_is_free(stack: Stack, worker: Context) -> None:
    uploaded(worker, stack)
    assert worker.admission.capacity.admit() == ["one"]
    start = acquired_work(worker, Stage.START, "one")
    starting.start_or_adopt(start)
    worker.admission.throttled("GetTranscriptionJob", 30)
    with pytest.raises(Snooze):
        starting.start_or_adopt(start)  # as after a lost answer: it finds the name taken
    stack.client.cancel("one")
    with pytest.raises(Snooze):
        starting.settle(start)
    with pytest.raises(Snooze):
        cleaning.delete_job(start)
    assert "GetTranscriptionJob" not in stack.account()["calls"]


def test_nothing_is_deleted_before_a_token_is_free(stack: Stack, worker: Context) -> None:
    started(worker, stack)
    poll = acquired_work(worker, Stage.POLL, FLEET)
    (job,) = [job for job in [stack.client.get("one")] if job.state is JobState.TRANSCRIBING]
    stack.client.cancel("one")
    assert stack.store.settle(poll.lease, job.id, "ended")
    cleanup = acquired_work(worker, Stage.CLEANUP, "one")
    worker.admission.throttled("DeleteTranscriptionJob", 30)
    with pytest.raises(Snooze):
        cleaning.delete_job(cleanup)
    assert "DeleteTranscriptionJob" not in stack.account()["calls"]


def test_the_poll_goes_to_another_when_aws_is_out_of_reach(stack: Stack, worker: Context) -> None:
    for name in ("one", "two", "three"):
        started(worker, stack, name)
    stack.fault(operation="ListTranscriptionJobs", kind="timeout")
    with pytest.raises(Unreachable):
        list(
            polling.ended_jobs(
                acquired_work(worker, Stage.POLL, FLEET), worker.running.snapshot("5")
            )
        )


def test_a_poll_keeps_the_answers_it_got_though_others_found_no_token(
    stack: Stack, worker: Context
) -> None:
    names = [f"job-{number}" for number in range(4)]
    # Without a result each has to be asked for, and AWS takes longer to answer than we to refuse.
    stack.fault(kind="fail", reason="Failed to parse audio file.", match="job")
    worker.quick_transcribe._client.meta.events.register(
        "before-send.transcribe.GetTranscriptionJob", lambda **_: time.sleep(0.3)
    )
    for name in names:
        started(worker, stack, name)
    until(lambda: {job["status"] for job in stack.account()["jobs"]} == {"FAILED"})
    assert poll_once(worker) == []
    for name in names:
        collect_once(worker, name)
    acquired(worker, "GetTranscriptionJob", _QUOTAS["GetTranscriptionJob"] - 2)
    ended = polling.ended_jobs(
        acquired_work(worker, Stage.POLL, FLEET), worker.running.snapshot("5")
    )
    assert {next(ended)[0].id, next(ended)[0].id} < set(names)
    with pytest.raises(Snooze):
        next(ended)
