"""QUEUED and READY jobs wait in fair queues in a real Redis: tenants alternate by weight."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.backend import keys
from producer.contract.stages import Stage
from tests.conftest import make_stack
from tests.support.fair_queues import FairQueues, numbered, owners
from tests.support.stack import Stack

pytestmark = pytest.mark.redis

#: Of exact binary fractions, so that the bounds below are exact, too.
WEIGHTS = {"alice": 4.0, "bob": 1.0, "carol": 0.5}


@pytest.fixture
def queues(stack: Stack) -> FairQueues:
    return FairQueues(stack.broker)


def test_one_job_of_another_tenant_is_next_though_a_thousand_were_before_it(
    queues: FairQueues,
) -> None:
    queues.submit("alice", *numbered("alice", 1000))
    assert owners(queues.upload(20)) == ["alice"] * 20
    queues.submit("zoe", "zoe-1")
    assert owners(queues.upload(1)) == ["zoe"]
    assert owners(queues.upload(3)) == ["alice"] * 3


@pytest.mark.command("admit_jobs")
def test_its_start_is_next_too(queues: FairQueues) -> None:
    queues.submit("alice", *numbered("alice", 100))
    queues.upload(100)
    assert queues.admit(20) == numbered("alice", 20)
    queues.submit("zoe", "zoe-1")
    queues.upload(1)
    assert queues.admit(1) == ["zoe-1"]


def test_jobs_without_a_tenant_are_one_tenant_together(queues: FairQueues) -> None:
    queues.submit("", *numbered("", 100))
    queues.submit("bob", *numbered("bob", 100))
    assert Counter(owners(queues.upload(40))) == {"nobody": 20, "bob": 20}


def test_jobs_of_one_tenant_stay_in_order(queues: FairQueues) -> None:
    names = [f"job-{number}" for number in range(120)]  # which sort otherwise
    queues.submit("alice", *names)
    assert queues.upload(120) == names


def test_priority_counts_within_a_tenant_only(queues: FairQueues) -> None:
    queues.submit("alice", *numbered("alice", 20))
    queues.submit("alice", "alice-urgent", priority=0)
    queues.submit("bob", *numbered("bob", 20), priority=9)
    served = queues.upload(10)
    assert Counter(owners(served)) == {"alice": 5, "bob": 5}
    assert next(name for name in served if name.startswith("alice")) == "alice-urgent"


def test_both_queues_are_shared_by_weight(queues: FairQueues) -> None:
    queues.weights = {"alice": 3, "bob": 1}
    for tenant in ("alice", "bob", "carol"):
        queues.submit(tenant, *numbered(tenant, 150))
    assert Counter(owners(queues.upload(100))) == {"alice": 60, "bob": 20, "carol": 20}
    for _ in range(12):
        queues.upload(25)
    assert Counter(owners(queues.admit(100))) == {"alice": 60, "bob": 20, "carol": 20}


def test_a_tenant_with_one_job_at_a_time_gains_nothing(queues: FairQueues) -> None:
    queues.submit("zoe", *numbered("zoe", 100))
    served = []
    for number in range(40):
        queues.submit("alice", f"alice-{number}")
        served += queues.upload(1)
    assert 18 <= Counter(owners(served))["alice"] <= 21


def test_a_tenant_that_was_passed_over_gains_one_job_and_delays_no_newcomer(
    queues: FairQueues,
) -> None:
    for tenant in ("alice", "bob"):
        queues.submit(tenant, *numbered(tenant, 30))
    queues.upload(40)

    def last() -> float:
        return float(queues.broker.command("GET", keys.VIRTUAL_TIME("QUEUED")))

    before = last()
    # As if it had been passed over while bob's jobs were served.
    queues.broker.command("ZADD", keys.TENANTS("QUEUED"), 1, "alice")
    assert owners(queues.upload(1)) == ["alice"]
    assert last() >= before
    queues.submit("zoe", *numbered("zoe", 5))
    assert Counter(owners(queues.upload(9))) == {"alice": 3, "bob": 3, "zoe": 3}


def test_no_number_of_new_tenants_delays_one_that_waits(queues: FairQueues) -> None:
    queues.submit("zoe", *numbered("zoe", 5))
    served: list[str] = []
    for number in range(30):
        # As many new ones as are served, each of a name that sorts first.
        queues.submit(f"a{number}", f"a{number}-1")
        queues.submit(f"b{number}", f"b{number}-1")
        served += queues.upload(2)
    assert Counter(owners(served))["zoe"] >= 3


def test_a_job_that_was_put_back_is_first_of_all_tenants(queues: FairQueues) -> None:
    queues.submit("alice", *numbered("alice", 10))
    queues.submit("bob", *numbered("bob", 10), priority=0)
    queues.upload(20)
    first, second = queues.admit(2)
    queues.put_back(second)
    queues.put_back(first)
    assert queues.admit(2) == [second, first]
    assert {first.split("-")[0], second.split("-")[0]} == {"alice", "bob"}
    queues.put_back(first)
    queues.store.cancel(first)
    assert first not in queues.admit(20)


def test_a_tenants_jobs_that_are_stopped_leave_nothing(queues: FairQueues) -> None:
    for tenant in ("alice", "bob"):
        queues.submit(tenant, *numbered(tenant, 5))
    queues.upload(4)
    for name in numbered("alice", 5) + numbered("bob", 5):
        queues.store.cancel(name)
    assert queues.upload(5) == []
    assert queues.admit(5) == []
    assert queues.left() == []


def test_many_tenants_without_jobs_delay_no_call(queues: FairQueues) -> None:
    gone = 1000
    for number in range(gone):
        queues.submit(f"tenant-{number}", f"job-{number}")
    assert len(queues.upload(gone // 2)) == gone // 2
    for number in range(gone):
        queues.store.cancel(f"job-{number}")
    queues.submit("zoe", "zoe-1")

    def waiting(state: str) -> int:
        return int(queues.broker.command("ZCARD", keys.TENANTS(state)))

    served: list[str] = []
    while not served:
        before = waiting("QUEUED")
        served = queues.upload(1)
        assert before - waiting("QUEUED") <= 100, "one call visited all"
        assert before > waiting("QUEUED") or served, "a call did nothing"
    assert served == ["zoe-1"]
    assert queues.broker.command("ZSCORE", keys.TENANTS("READY"), "zoe")
    started: list[str] = []
    while not started:
        before = waiting("READY")
        started = queues.admit(1)
        assert before - waiting("READY") <= 100, "one call visited all"
        assert before > waiting("READY") or started, "a call did nothing"
    assert started == ["zoe-1"]
    while queues.left():
        before = waiting("QUEUED") + waiting("READY")
        assert queues.upload(1) == queues.admit(1) == []
        assert waiting("QUEUED") + waiting("READY") < before or not queues.left()


def test_an_ended_job_that_is_still_queued_is_passed_over(queues: FairQueues) -> None:
    queues.submit("alice", *numbered("alice", 3))
    queues.upload(2)
    for name, state in (("alice-0002", "QUEUED"), ("alice-0000", "READY")):
        score = queues.broker.command("ZSCORE", keys.WAITING(state, "alice"), name)
        queues.store.cancel(name)
        queues.broker.command("ZADD", keys.WAITING(state, "alice"), score, name)
    assert queues.upload(5) == []
    assert queues.admit(5) == ["alice-0001"]
    assert queues.left() == []


def test_a_job_goes_at_once_when_none_waits_and_is_queued_when_one_does(stack: Stack) -> None:
    queues = FairQueues(stack.broker)
    stack.client.submit("s3://recordings/1.wav", name="one", metadata={"tenant": "alice"})
    assert queues.schedule.acquire(Stage.UPLOAD, "one") is not None
    queues.submit("bob", "two")
    stack.client.submit("s3://recordings/3.wav", name="three", metadata={"tenant": "alice"})
    assert queues.schedule.acquire(Stage.UPLOAD, "three") is None
    assert set(queues.upload(5)) == {"two", "three"}


# -- any steps in any order -----------------------------------------------------------------------


class Model:
    """Which job waits where, by the simplest means; it knows what may be next, not what will."""

    def __init__(self) -> None:
        self.waiting: dict[str, dict[str, list[tuple[int, int, str]]]] = {
            "QUEUED": defaultdict(list),
            "READY": defaultdict(list),
        }
        self.first: list[str] = []
        #: since a tenant began to wait, or was served: how often each other tenant was served
        self.passed_by: dict[tuple[str, str], Counter[str]] = {}
        self._entered = 0

    def enter(self, state: str, tenant: str, priority: int, name: str) -> None:
        self._entered += 1
        if not self.waiting[state][tenant]:
            self.passed_by[state, tenant] = Counter()
        self.waiting[state][tenant].append((priority, self._entered, name))

    def leave(self, name: str) -> None:
        self.first = [each for each in self.first if each != name]
        for queue in self.waiting.values():
            for tenant, jobs in queue.items():
                queue[tenant] = [job for job in jobs if job[2] != name]

    def serve(self, state: str, tenant: str, name: str) -> None:
        """Check that a job may be served now, and note it."""
        if state == "READY" and self.first:
            assert self.first.pop(0) == name
            return
        assert min(self.waiting[state][tenant])[2] == name, "not the first of its tenant"
        self.leave(name)
        self.passed_by[state, tenant] = Counter()
        weight = WEIGHTS.get(tenant, 1.0)
        for other, jobs in self.waiting[state].items():
            if jobs and other != tenant:
                turns = self.passed_by[state, other]
                turns[tenant] += 1
                limit = weight * max(1.0, 1 / WEIGHTS.get(other, 1.0)) + 1
                assert turns[tenant] <= limit, f"{tenant} had {turns[tenant]} turns before {other}"

    def names(self, state: str) -> set[str]:
        names = {name for jobs in self.waiting[state].values() for *_, name in jobs}
        return names | set(self.first) if state == "READY" else names


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.sampled_from(["alice", "bob", "carol", ""]),
            st.integers(1, 9),
            st.integers(0, 9),
        ),
        st.tuples(st.sampled_from(["upload", "admit"]), st.integers(1, 9)),
        st.tuples(
            st.sampled_from(["cancel", "cancel all of", "retry", "put back"]), st.integers(0)
        ),
    ),
    max_size=30,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """One Redis for all examples."""
    folder: Path = tmp_path_factory.mktemp("queues")
    with make_stack(folder) as built:
        yield built


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_no_job_is_lost_doubled_or_delayed_in_any_order_of_steps(
    shared: Stack, steps: list[tuple[str, str, int, int] | tuple[str, int]]
) -> None:
    shared.broker.command("FLUSHALL")
    world = _World(FairQueues(shared.broker, WEIGHTS))
    for what, *details in steps:
        world.step(what, *details)
    world.drain()


class _World:
    """Redis and the model, side by side."""

    def __init__(self, queues: FairQueues) -> None:
        self.queues = queues
        self.model = Model()
        self.jobs: dict[str, tuple[str, int]] = {}
        self.admitted: list[str] = []
        self.retriable: list[str] = []

    def step(self, what: str, *details: str | int) -> None:
        if what == "submit":
            self._submit(*details)  # type: ignore[arg-type]
            return
        number = int(details[0])
        if what == "upload":
            self._served("QUEUED", self.queues.upload(number), number)
        elif what == "admit":
            self._served("READY", self.queues.admit(number), number)
        elif what == "cancel":
            waiting = sorted(self.model.names("QUEUED") | self.model.names("READY"))
            self._cancel(waiting[number % len(waiting) :][:1] if waiting else [])
        elif what == "cancel all of":
            tenant = sorted(WEIGHTS)[number % 3]
            queue = self.model.waiting["QUEUED"][tenant] + self.model.waiting["READY"][tenant]
            self._cancel([name for *_, name in queue])
        elif what == "retry" and self.retriable:
            name = self.retriable.pop(number % len(self.retriable))
            self.queues.clean_up(name)
            self.queues.store.retry(name, 3600)
            self.model.enter("QUEUED", *self.jobs[name], name)
        elif what == "put back" and self.admitted:
            name = self.admitted.pop(number % len(self.admitted))
            self.queues.put_back(name)
            self.model.first.append(name)

    def drain(self) -> None:
        while self.model.names("QUEUED"):
            self.step("upload", 5)
        while self.model.names("READY"):
            self.step("admit", 5)
        assert self.queues.upload(5) == []
        assert self.queues.admit(5) == []
        assert self.queues.left() == []

    def _submit(self, tenant: str, number: int, priority: int) -> None:
        names = [f"job-{len(self.jobs) + each}" for each in range(number)]
        self.queues.submit(tenant, *names, priority=priority)
        for name in names:
            self.jobs[name] = tenant, priority
            self.model.enter("QUEUED", tenant, priority, name)

    def _served(self, state: str, names: list[str], limit: int) -> None:
        assert len(names) == min(limit, len(self.model.names(state)))
        for name in names:
            self.model.serve(state, self.jobs[name][0], name)
        if state == "READY":
            self.admitted += names
            return
        for name in names:
            self.model.enter("READY", *self.jobs[name], name)

    def _cancel(self, names: list[str]) -> None:
        for name in names:
            self.queues.store.cancel(name)
            if name in self.model.names("QUEUED"):
                self.retriable.append(name)
            self.model.leave(name)
