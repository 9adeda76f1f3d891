"""The lines of QUEUED and READY jobs in a real Redis: tenants take turns, by their weights."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.backend.keys import PREFIX
from producer.contract.stages import Stage
from tests.conftest import make_stack
from tests.support.lines import Lines, numbered, owners
from tests.support.stack import Stack

pytestmark = pytest.mark.redis

#: Of exact binary fractions, so that the bounds below are exact, too.
WEIGHTS = {"alice": 4.0, "bob": 1.0, "carol": 0.5}


@pytest.fixture
def lines(stack: Stack) -> Lines:
    return Lines(stack.broker)


def test_one_job_of_another_tenant_is_next_though_a_thousand_were_before_it(lines: Lines) -> None:
    lines.queue("alice", *numbered("alice", 1000))
    assert owners(lines.upload(20)) == ["alice"] * 20
    lines.queue("zoe", "zoe-1")
    assert owners(lines.upload(1)) == ["zoe"]
    assert owners(lines.upload(3)) == ["alice"] * 3


def test_its_start_is_next_too(lines: Lines) -> None:
    lines.queue("alice", *numbered("alice", 100))
    lines.upload(100)
    assert lines.admit(20) == numbered("alice", 20)
    lines.queue("zoe", "zoe-1")
    lines.upload(1)
    assert lines.admit(1) == ["zoe-1"]


def test_jobs_without_a_tenant_are_one_tenant_together(lines: Lines) -> None:
    lines.queue("", *numbered("", 100))
    lines.queue("bob", *numbered("bob", 100))
    assert Counter(owners(lines.upload(40))) == {"nobody": 20, "bob": 20}


def test_those_of_one_tenant_go_in_the_order_in_which_they_came(lines: Lines) -> None:
    names = [f"job-{number}" for number in range(120)]  # which sort otherwise
    lines.queue("alice", *names)
    assert lines.upload(120) == names


def test_priority_counts_within_a_tenant_and_takes_no_turn_of_another(lines: Lines) -> None:
    lines.queue("alice", *numbered("alice", 20))
    lines.queue("alice", "alice-urgent", priority=0)
    lines.queue("bob", *numbered("bob", 20), priority=9)
    taken = lines.upload(10)
    assert Counter(owners(taken)) == {"alice": 5, "bob": 5}
    assert next(name for name in taken if name.startswith("alice")) == "alice-urgent"


def test_shares_are_as_the_weights_say_in_both_lines(lines: Lines) -> None:
    lines.weights = {"alice": 3, "bob": 1}
    for tenant in ("alice", "bob", "carol"):
        lines.queue(tenant, *numbered(tenant, 150))
    assert Counter(owners(lines.upload(100))) == {"alice": 60, "bob": 20, "carol": 20}
    for _ in range(12):
        lines.upload(25)
    assert Counter(owners(lines.admit(100))) == {"alice": 60, "bob": 20, "carol": 20}


def test_whoever_waits_with_one_job_at_a_time_gains_nothing(lines: Lines) -> None:
    lines.queue("zoe", *numbered("zoe", 100))
    taken = []
    for number in range(40):
        lines.queue("alice", f"alice-{number}")
        taken += lines.upload(1)
    assert 18 <= Counter(owners(taken))["alice"] <= 21


def test_no_number_of_new_tenants_holds_up_one_that_waits(lines: Lines) -> None:
    lines.queue("zoe", *numbered("zoe", 5))
    taken: list[str] = []
    for number in range(30):
        # As many new ones as are served, each of a name that sorts first.
        lines.queue(f"a{number}", f"a{number}-1")
        lines.queue(f"b{number}", f"b{number}-1")
        taken += lines.upload(2)
    assert Counter(owners(taken))["zoe"] >= 3


def test_a_job_that_was_put_back_is_first_whoevers_turn_it_is(lines: Lines) -> None:
    lines.queue("alice", *numbered("alice", 10))
    lines.queue("bob", *numbered("bob", 10), priority=0)
    lines.upload(20)
    first, second = lines.admit(2)
    lines.put_back(second)
    lines.put_back(first)
    assert lines.admit(2) == [second, first]
    assert {first.split("-")[0], second.split("-")[0]} == {"alice", "bob"}
    lines.put_back(first)
    lines.store.cancel(first)
    assert first not in lines.admit(20)


def test_a_tenants_jobs_that_are_stopped_leave_nothing(lines: Lines) -> None:
    for tenant in ("alice", "bob"):
        lines.queue(tenant, *numbered(tenant, 5))
    lines.upload(4)
    for name in numbered("alice", 5) + numbered("bob", 5):
        lines.store.cancel(name)
    assert lines.upload(5) == []
    assert lines.admit(5) == []
    assert lines.left() == []


def test_many_tenants_that_have_gone_hold_up_no_other_call(lines: Lines) -> None:
    gone = 1000
    for number in range(gone):
        lines.queue(f"tenant-{number}", f"job-{number}")
    assert len(lines.upload(gone // 2)) == gone // 2
    for number in range(gone):
        lines.store.cancel(f"job-{number}")
    lines.queue("zoe", "zoe-1")

    def waiting(state: str) -> int:
        return int(lines.broker.command("ZCARD", f"{PREFIX}tenants:{state}"))

    served: list[str] = []
    while not served:
        before = waiting("QUEUED")
        served = lines.upload(1)
        assert before - waiting("QUEUED") <= 100, "one call looked at all"
        assert before > waiting("QUEUED") or served, "a call did nothing"
    assert served == ["zoe-1"]
    assert lines.broker.command("ZSCORE", f"{PREFIX}tenants:READY", "zoe")
    started: list[str] = []
    while not started:
        before = waiting("READY")
        started = lines.admit(1)
        assert before - waiting("READY") <= 100, "one call looked at all"
        assert before > waiting("READY") or started, "a call did nothing"
    assert started == ["zoe-1"]
    while lines.left():
        before = waiting("QUEUED") + waiting("READY")
        assert lines.upload(1) == lines.admit(1) == []
        assert waiting("QUEUED") + waiting("READY") < before or not lines.left()


def test_what_an_older_version_stopped_in_a_line_is_passed_over(lines: Lines) -> None:
    lines.queue("alice", *numbered("alice", 3))
    lines.upload(2)
    for name, state in (("alice-0002", "QUEUED"), ("alice-0000", "READY")):
        score = lines.broker.command("ZSCORE", f"{PREFIX}waiting:{state}:alice", name)
        lines.store.cancel(name)
        lines.broker.command("ZADD", f"{PREFIX}waiting:{state}:alice", score, name)
    assert lines.upload(5) == []
    assert lines.admit(5) == ["alice-0001"]
    assert lines.left() == []


def test_a_job_goes_at_once_when_nobody_waits_and_in_line_when_one_does(stack: Stack) -> None:
    lines = Lines(stack.broker)
    stack.client.submit("s3://recordings/1.wav", name="one", metadata={"tenant": "alice"})
    assert lines.schedule.acquire(Stage.UPLOAD, "one") is not None
    lines.queue("bob", "two")
    stack.client.submit("s3://recordings/3.wav", name="three", metadata={"tenant": "alice"})
    assert lines.schedule.acquire(Stage.UPLOAD, "three") is None
    assert set(lines.upload(5)) == {"two", "three"}


# -- whatever happens in whatever order ---------------------------------------------------------


class Model:
    """Who waits where, by the simplest means; it knows what may come next, not what will."""

    def __init__(self) -> None:
        self.waiting: dict[str, dict[str, list[tuple[int, int, str]]]] = {
            "QUEUED": defaultdict(list),
            "READY": defaultdict(list),
        }
        self.first: list[str] = []
        #: since a tenant began to wait, or had its turn: how many turns each other one had
        self.passed_by: dict[tuple[str, str], Counter[str]] = {}
        self._arrivals = 0

    def enter(self, state: str, tenant: str, priority: int, name: str) -> None:
        self._arrivals += 1
        if not self.waiting[state][tenant]:
            self.passed_by[state, tenant] = Counter()
        self.waiting[state][tenant].append((priority, self._arrivals, name))

    def leave(self, name: str) -> None:
        self.first = [each for each in self.first if each != name]
        for line in self.waiting.values():
            for tenant, jobs in line.items():
                line[tenant] = [job for job in jobs if job[2] != name]

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
                most = weight * max(1.0, 1 / WEIGHTS.get(other, 1.0)) + 1
                assert turns[tenant] <= most, f"{tenant} had {turns[tenant]} turns before {other}"

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
    folder: Path = tmp_path_factory.mktemp("lines")
    with make_stack(folder) as built:
        yield built


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_none_is_lost_or_doubled_or_held_up_whatever_happens(
    shared: Stack, steps: list[tuple[str, str, int, int] | tuple[str, int]]
) -> None:
    shared.broker.command("FLUSHALL")
    world = _World(Lines(shared.broker, WEIGHTS))
    for what, *details in steps:
        world.step(what, *details)
    world.drain()


class _World:
    """Redis and the model, side by side."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
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
            self._served("QUEUED", self.lines.upload(number), number)
        elif what == "admit":
            self._served("READY", self.lines.admit(number), number)
        elif what == "cancel":
            waiting = sorted(self.model.names("QUEUED") | self.model.names("READY"))
            self._cancel(waiting[number % len(waiting) :][:1] if waiting else [])
        elif what == "cancel all of":
            tenant = sorted(WEIGHTS)[number % 3]
            line = self.model.waiting["QUEUED"][tenant] + self.model.waiting["READY"][tenant]
            self._cancel([name for *_, name in line])
        elif what == "retry" and self.retriable:
            name = self.retriable.pop(number % len(self.retriable))
            self.lines.clean_up(name)
            self.lines.store.retry(name, 3600)
            self.model.enter("QUEUED", *self.jobs[name], name)
        elif what == "put back" and self.admitted:
            name = self.admitted.pop(number % len(self.admitted))
            self.lines.put_back(name)
            self.model.first.append(name)

    def drain(self) -> None:
        while self.model.names("QUEUED"):
            self.step("upload", 5)
        while self.model.names("READY"):
            self.step("admit", 5)
        assert self.lines.upload(5) == []
        assert self.lines.admit(5) == []
        assert self.lines.left() == []

    def _submit(self, tenant: str, number: int, priority: int) -> None:
        names = [f"job-{len(self.jobs) + each}" for each in range(number)]
        self.lines.queue(tenant, *names, priority=priority)
        for name in names:
            self.jobs[name] = tenant, priority
            self.model.enter("QUEUED", tenant, priority, name)

    def _served(self, state: str, names: list[str], most: int) -> None:
        assert len(names) == min(most, len(self.model.names(state)))
        for name in names:
            self.model.serve(state, self.jobs[name][0], name)
        if state == "READY":
            self.admitted += names
            return
        for name in names:
            self.model.enter("READY", *self.jobs[name], name)

    def _cancel(self, names: list[str]) -> None:
        for name in names:
            self.lines.store.cancel(name)
            if name in self.model.names("QUEUED"):
                self.retriable.append(name)
            self.model.leave(name)
