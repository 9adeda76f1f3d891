"""The schedule in a real Redis does what its model says, whatever happens in whatever order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from tests.conftest import make_stack
from tests.support.model import contents
from tests.support.model.both_sides import ACTIVE, FAILS, LEASE, MAX_STEPS, MOVES, NAMES, BothSides
from tests.support.stack import Stack

pytestmark = pytest.mark.redis

PICK = st.integers(0, 1000)
TENANT = st.sampled_from(["alice", "bob", ""])
PRIORITY = st.sampled_from([5, 1])
GOAL = st.sampled_from([JobState.TRANSCRIBING, *ACTIVE[1:], JobState.COMPLETED])
DELAY = st.sampled_from([0.0, 60.0])
QUEUES = [JobState.QUEUED, JobState.READY]


class ScheduleMachine(RuleBasedStateMachine, BothSides):
    """The steps, in any order."""

    stack: ClassVar[Stack]

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        BothSides.__init__(self, self.stack)

    def teardown(self) -> None:
        self.redis.close()

    @initialize(jobs=st.lists(st.tuples(TENANT, PRIORITY), min_size=2, max_size=4))
    def submit_some(self, jobs: list[tuple[str, int]]) -> None:
        for name, (tenant, priority) in zip(NAMES, jobs, strict=False):
            self.submit(name, tenant, priority, "a.wav", at_once=False)

    submit = rule(
        name=st.sampled_from(NAMES),
        tenant=TENANT,
        priority=PRIORITY,
        audio=st.sampled_from(["a.wav", "b.wav"]),
        at_once=st.booleans(),
    )(BothSides.submit)
    dispatch = rule(room=st.sampled_from([1, 2, 100]))(BothSides.dispatch)
    admit = precondition(lambda self: self.model.ready.turns or self.model.first)(
        rule(slots=st.integers(1, 3))(BothSides.admit)
    )

    @precondition(lambda self: any(map(self.passed_over, QUEUES)))
    @rule(pick=PICK)
    def limit_ends(self, pick: int) -> None:
        """A tenant that was passed over is served."""
        waiting = [(state, tenant) for state in QUEUES for tenant in self.passed_over(state)]
        self.serve_passed_over(*waiting[pick % len(waiting)])

    @rule(stage=st.sampled_from(Stage), name=st.sampled_from([*NAMES, FLEET]))
    def late_message(self, stage: Stage, name: str) -> None:
        """A message comes at any time, as often as it likes, for anything."""
        self.acquire(stage, name)

    @precondition(lambda self: self.entries.by_key)
    @rule(pick=PICK)
    def message(self, pick: int) -> None:
        """The same for an entry that is there, be it due or another worker's."""
        self.acquire(*sorted(self.entries.by_key)[pick % len(self.entries.by_key)])

    @rule(pick=PICK)
    def time_passes(self, pick: int) -> None:
        """A lease or a delay is over, or a message is lost."""
        if pending := sorted(key for key, each in self.entries.by_key.items() if not each.is_due):
            self.pass_time(*pending[pick % len(pending)])

    extend = precondition(lambda self: self.leases)(
        rule(picks=st.lists(PICK, min_size=1, max_size=3, unique=True))(BothSides.extend)
    )
    release = precondition(lambda self: self.current())(
        rule(pick=PICK, seconds=DELAY, has_started=st.booleans())(BothSides.release)
    )
    worker_dies = precondition(lambda self: self.current())(
        rule(pick=PICK, is_released=st.booleans())(BothSides.worker_dies)
    )
    record_failure = precondition(lambda self: self.current())(
        rule(pick=PICK, maximum=st.integers(1, 3), seconds=DELAY)(BothSides.record_failure)
    )
    complete_poll = precondition(lambda self: self.current(Stage.POLL))(
        rule()(BothSides.complete_poll)
    )

    @precondition(lambda self: self.model.running and self.current(Stage.POLL))
    @rule(picks=st.sets(PICK, max_size=2))
    def list_lacks(self, picks: set[int]) -> None:
        """AWS's list lacks some of the running jobs."""
        running = self.model.running
        self.lacks(sorted({running[pick % len(running)] for pick in picks}))

    def lacks(self, names: list[str]) -> None:
        (lease,) = self.current(Stage.POLL)
        with self.compared():
            to_ask = self.running.collect_missing(lease, names, LEASE)
            assert to_ask == self.model.collect_missing(names)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=PICK, is_there=st.booleans())
    def search_result(self, pick: int, *, is_there: bool) -> None:
        """A worker looks for the result of a job that the list lacks."""
        name = self.bring(pick, JobState.TRANSCRIBING)
        if self.model.jobs[name].state is not JobState.TRANSCRIBING:
            return
        if (Stage.COLLECT, name) not in self.entries.by_key:
            while not self.current(Stage.POLL):
                if self.entries.may_acquire(Stage.POLL, FLEET):
                    self.acquire(Stage.POLL, FLEET)
                else:
                    self.pass_time(Stage.POLL, FLEET)
            self.lacks([name])
        if not self.entries.may_acquire(Stage.COLLECT, name):
            return
        self.acquire(Stage.COLLECT, name)
        lease = self.leases[-1]
        if is_there:
            self.finish(lease, name, 0)
            return
        with self.compared():
            assert self.running.record_missed(lease)
            self.model.record_missed(name)

    @precondition(lambda self: self.current())
    @rule(pick=PICK, way=PICK, fails=st.integers(0, 5).map(lambda number: number == 0))
    def work(self, pick: int, way: int, *, fails: bool) -> None:
        lease = self.current()[pick % len(self.current())]
        known = self.model.running if lease.entry_id == FLEET else [lease.entry_id]
        if known:
            self.finish(lease, known[pick % len(known)], way, fails=fails)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=PICK)
    def find_nothing(self, pick: int) -> None:
        """Transcribe made nothing of a job that was retried."""
        name = self.bring(pick, JobState.COLLECTING)
        for _ in range(2):
            for lease in self.current(Stage.COLLECT):
                if lease.entry_id == name:
                    with self.compared():
                        assert self.store.start_new_attempt(lease)
                        self.model.start_attempt(name)
            if self.model.jobs[name].state is JobState.COLLECTING:
                self.acquire(Stage.COLLECT, name)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=PICK, goal=GOAL, way=st.integers(0, 2))
    def go_on(self, pick: int, goal: JobState, way: int) -> None:
        """Bring a job to a state, so that jobs get far, and do what is next."""
        self.next_step(self.bring(pick, goal), way)

    @precondition(lambda self: self.model.jobs)
    @rule(
        pick=PICK,
        goal=GOAL,
        is_late=st.booleans(),
        is_cleaned_up=st.booleans(),
    )
    def interrupt(self, pick: int, goal: JobState, *, is_late: bool, is_cleaned_up: bool) -> None:
        """Stop a job somewhere on its way, and try it again, soon or later."""
        name = self.bring(pick, goal)
        if is_late:
            self.deadline_passes(name)
        else:
            self.cancel(name)
        if is_cleaned_up:
            for _ in range(MAX_STEPS):
                self.next_step(name, 0)
        self.retry(name)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=PICK, way=st.sampled_from([1, 3]))
    def identify(self, pick: int, way: int) -> None:
        """The audio of a job is in S3, and known, perhaps with the result of another job."""
        name = self.bring(pick, JobState.UPLOADING)
        for lease in self.current(Stage.UPLOAD):
            if lease.entry_id == name:
                self.finish(lease, name, way)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=PICK)
    def complete_with_result(self, pick: int) -> None:
        """A job is COMPLETED, and its result serves others."""
        name = self.bring(pick, JobState.COLLECTING)
        for lease in self.current(Stage.COLLECT):
            if lease.entry_id == name:
                self.finish(lease, name, 1)

    forget_result = rule(audio=st.sampled_from(["a.wav", "b.wav"]), name=st.sampled_from(NAMES))(
        BothSides.forget_result
    )
    cancel = rule(name=st.sampled_from(NAMES))(BothSides.cancel)
    deadline_passes = rule(name=st.sampled_from(NAMES))(BothSides.deadline_passes)
    retry = rule(name=st.sampled_from(NAMES))(BothSides.retry)
    record_expires = rule(name=st.sampled_from(NAMES))(BothSides.record_expires)

    @precondition(lambda self: len(self.current()) < len(self.leases))
    @rule(pick=PICK, what=PICK)
    def stale_token(self, pick: int, what: int) -> None:
        """A worker whose lease was lost wakes up late: whatever it tries changes nothing."""
        lost = [each for each in self.leases if not self.is_current(each)]
        lease = lost[pick % len(lost)]
        name = NAMES[what % len(NAMES)] if lease.entry_id == FLEET else lease.entry_id
        before = contents.read(self.redis)
        assert self.identities.identify(lease, "a.wav", {}) == ("lost", "")
        assert contents.read(self.redis) == before
        to, steps = MOVES.get(lease.stage, FAILS)[0]
        for answer in (
            *self.schedule.extend([lease]),
            self.schedule.release(lease, 0, seen="something"),
            self.schedule.record_failure(lease, 5, 0),
            self.schedule.complete(lease),
            self.running.collect_missing(lease, NAMES, LEASE),
            self.running.record_missed(lease),
            self.store.record_upload(lease, "upload"),
            self.schedule.complete(lease, {"cleaned_at": 1}),
            self.store.start_new_attempt(lease),
            self.store.settle(lease, name, "running"),
            self.store.settle(lease, name, "ended"),
            self.store.advance(lease, name, [*JobState], to, steps, {"result_uri": "stale"}),
        ):
            assert not answer
            assert contents.read(self.redis) == before


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """One Redis for all examples."""
    folder: Path = tmp_path_factory.mktemp("model")
    with make_stack(folder) as built:
        yield built


def run_examples(stack: Stack, number: int) -> None:
    ScheduleMachine.stack = stack
    run_state_machine_as_test(
        ScheduleMachine,
        settings=settings(
            max_examples=number,
            stateful_step_count=40,
            derandomize="CI" in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_redis_does_what_the_model_says(shared: Stack) -> None:
    run_examples(shared, 40)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_it_does_so_in_any_of_a_thousand_examples(shared: Stack) -> None:
    run_examples(shared, 1000)
