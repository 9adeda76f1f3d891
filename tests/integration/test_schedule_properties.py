"""Properties of the fair queue, the rate limiter, `prune` and `fail_overdue`, for any numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from producer.backend import keys
from producer.backend.rate_limiter import RateLimiter, Token
from producer.contract.job import JobState
from tests.conftest import make_stack
from tests.support.fair_queues import FairQueues, numbered, owners
from tests.support.stack import Stack

pytestmark = pytest.mark.redis

few = settings(max_examples=15, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """One Redis for all examples."""
    folder: Path = tmp_path_factory.mktemp("properties")
    with make_stack(folder) as built:
        yield built


# -- the fair queue -------------------------------------------------------------------------------


def test_weights_of_one_and_three_share_four_hundred_turns_so(shared: Stack) -> None:
    shared.broker.command("FLUSHALL")
    queues = FairQueues(shared.broker, {"alice": 3.0})
    for tenant in ("alice", "bob"):
        queues.submit(tenant, *numbered(tenant, 400))
    served = Counter(owners(queues.upload(400)))
    assert served["alice"] == pytest.approx(300, abs=3)


@few
@given(
    weights=st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=4),
    turns=st.integers(1, 120),
)
def test_service_by_weight_differs_by_no_more_than_a_turn_of_each(
    shared: Stack, weights: list[float], turns: int
) -> None:
    shared.broker.command("FLUSHALL")
    tenants = {f"tenant{number}": weight for number, weight in enumerate(weights)}
    queues = FairQueues(shared.broker, tenants)
    for tenant in tenants:
        queues.submit(tenant, *numbered(tenant, turns))
    served = Counter(owners(queues.upload(turns)))
    assert served.total() == turns
    for one, own in tenants.items():
        for other, its in tenants.items():
            gap = abs(served[one] / own - served[other] / its)
            assert gap <= 1 / own + 1 / its, f"{one} and {other}: {served}"


@few
@given(absences=st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_a_tenant_that_comes_and_goes_gains_nothing(shared: Stack, absences: list[int]) -> None:
    shared.broker.command("FLUSHALL")
    queues = FairQueues(shared.broker)
    queues.submit("zoe", *numbered("zoe", 100))
    served: list[str] = []
    for number, absence in enumerate(absences):
        queues.submit("alice", f"alice-{number}")
        served += owners(queues.upload(1 + absence))
    # With all of its jobs there from the beginning it would have had every other turn.
    for end in range(1, len(served) + 1):
        assert served[:end].count("alice") <= served[:end].count("zoe") + 1


# -- the rate limiter -----------------------------------------------------------------------------


@dataclass
class Call:
    """A call of AWS: it arrives there no sooner than it is sent, and before it is answered."""

    token: Token
    sent: float
    answered: float = float("inf")


@few
@example(rate=1, steps=["call", "answer", "call"])
@example(rate=2, steps=["call", *[0.7] * 22, "call"])
@given(
    rate=st.sampled_from([1, 2, 5, 25]),
    steps=st.lists(
        st.one_of(st.just("call"), st.just("answer"), st.floats(0.05, 0.7)), max_size=20
    ),
)
def test_no_second_ever_has_more_calls_than_the_rate(
    shared: Stack, rate: int, steps: list[str | float]
) -> None:
    shared.broker.command("FLUSHALL")
    limiter = RateLimiter(shared.broker, {"GetTranscriptionJob": f"{rate}!"})
    passed, calls = 0.0, list[Call]()
    for step in steps:
        now = _time(shared) + passed
        if isinstance(step, float):
            pass_time(shared, step)
            passed += step
        elif step == "call":
            for _ in range(rate + 1):
                token = limiter.acquire("GetTranscriptionJob", 2.0)
                if token.id:
                    calls.append(Call(token, float(token.usable_at) + passed))
                    last_for_long(shared, token)
        else:
            for call in calls:
                if call.sent <= now < call.answered == float("inf"):
                    # Before the release: on a busy machine the time after it may be much later.
                    call.answered = _time(shared) + passed
                    limiter.release(call.token)
    for end in (call.sent for call in calls):
        within = [call for call in calls if call.sent <= end and call.answered >= end - 1]
        assert len(within) <= rate, f"{len(within)} calls may have arrived within a second"


def last_for_long(stack: Stack, token: Token) -> None:
    """Extend the token until its release, as a living worker does, however slow the machine is."""
    named = {"operation": token.operation, "token": token.id}
    stack.broker.run("extend_tokens", seconds=3600.0, tokens=[named])


def pass_time(stack: Stack, seconds: float) -> None:
    """Let all that is due later be due sooner by so much."""
    for key in (keys.TOKENS_USED, keys.TOKENS_COOLING):
        name = key("GetTranscriptionJob")
        for token_id in stack.broker.command("ZRANGE", name, 0, -1):
            stack.broker.command("ZINCRBY", name, -seconds, token_id)


def _time(stack: Stack) -> float:
    seconds, micros = stack.broker.command("TIME")
    return float(seconds) + float(micros) / 1e6


# -- what is over ---------------------------------------------------------------------------------

SECONDS = st.one_of(st.integers(-7200, -60), st.integers(60, 7200))


@few
@given(ends_in=st.lists(SECONDS, min_size=1, max_size=6), stopped=st.integers(0, 6))
def test_only_jobs_that_are_overdue_and_have_not_ended_fail(
    shared: Stack, ends_in: list[int], stopped: int
) -> None:
    shared.broker.command("FLUSHALL")
    queues = FairQueues(shared.broker)
    names = numbered("", len(ends_in))
    queues.submit("", *names)
    for name in names[:stopped]:
        queues.store.cancel(name)
    for name, seconds in zip(names, ends_in, strict=True):
        moment = _time(shared) + seconds
        shared.broker.command("ZADD", str(keys.DEADLINES), "XX", moment, name)
    overdue = [name for name, left in zip(names, ends_in, strict=True) if left < 0]
    failed = set(overdue) - set(names[:stopped])
    assert set(queues.store.fail_overdue()) == failed
    assert queues.store.fail_overdue() == []
    assert set(queues.store.ids(JobState.FAILED)) == failed
    assert len(queues.store.ids(JobState.CANCELLED)) == len(names[:stopped])


@few
@given(ended=st.lists(st.tuples(SECONDS, st.booleans()), max_size=8))
def test_prune_drops_from_the_lists_what_has_ended_longer_ago_than_is_kept(
    shared: Stack, ended: list[tuple[int, bool]]
) -> None:
    shared.broker.command("FLUSHALL")
    queues = FairQueues(shared.broker)
    names = numbered("", len(ended))
    queues.submit("", *names)
    retention = 3600
    kept = {JobState.QUEUED: set[str](), JobState.CANCELLED: set[str]()}
    for name, (seconds, is_cancelled) in zip(names, ended, strict=True):
        state = JobState.CANCELLED if is_cancelled else JobState.QUEUED
        if is_cancelled:
            queues.store.cancel(name)
        entered = _time(shared) - retention + seconds
        shared.broker.command("ZADD", keys.STATE(state), "XX", entered, name)
        if not is_cancelled or seconds > 0:
            kept[state].add(name)
    queues.store.prune()
    assert {state: set(queues.store.ids(state)) for state in kept} == kept
