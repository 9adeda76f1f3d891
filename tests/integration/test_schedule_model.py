"""The schedule in a real Redis does what its model says, whatever happens in whatever order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from producer.backend import keys
from producer.backend.next_step import Follows
from producer.backend.schedule import Lease, Schedule
from producer.contract.job import TERMINAL_STATES, TRANSITIONS, JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import FLEET, STAGE_OF, Stage
from producer.errors import WrongState
from tests.conftest import make_stack
from tests.support.fair_queues import FairQueues
from tests.support.model import contents
from tests.support.model.entries import Entries
from tests.support.model.schedule import ScheduleModel
from tests.support.stack import Stack

pytestmark = pytest.mark.redis

#: Seconds, longer than any example: leases lapse when a rule says so.
LEASE = 600.0
#: Exact binary fractions, so that virtual time is exact, too.
WEIGHTS = {"alice": 4.0, "bob": 0.5}
NAMES = ["one", "two", "three", "four", "five", "six"]
#: Redis's scores are rounded to microseconds.
ROUNDING = 2e-6
#: Seconds from now at which nothing is due while the test runs.
FAR = 1e6
#: What a worker may do with a job at each stage: the state it enters, and what follows.
MOVES: dict[Stage, list[tuple[JobState, Follows]]] = {
    Stage.UPLOAD: [(JobState.READY, "ready")],
    Stage.START: [(JobState.TRANSCRIBING, "running"), (JobState.READY, "ready-first")],
    Stage.POLL: [(JobState.COLLECTING, Stage.COLLECT), (JobState.READY, "ready")],
    Stage.COLLECT: [
        (JobState.COMPLETED, Stage.CLEANUP),
        (JobState.COMPLETED, ""),
        (JobState.TRANSCRIBING, "running"),
    ],
}
FAILS: list[tuple[JobState, Follows]] = [(JobState.FAILED, "")]
#: To any state it takes fewer.
MAX_STEPS = 20
ACTIVE = [state for state in JobState if not state.is_terminal]
PICK = st.integers(0, 1000)
TENANT = st.sampled_from(["alice", "bob", ""])
PRIORITY = st.sampled_from([5, 1])
GOAL = st.sampled_from([JobState.TRANSCRIBING, *ACTIVE[1:], JobState.COMPLETED])
DELAY = st.sampled_from([0.0, 60.0])


class ScheduleMachine(RuleBasedStateMachine):
    """Redis and the model, side by side: each step is done to both, and both are compared."""

    stack: ClassVar[Stack]

    def __init__(self) -> None:
        super().__init__()
        self.redis: redis.Redis = redis.Redis.from_url(self.stack.redis_url, decode_responses=True)
        self.redis.flushdb()
        self.queues = FairQueues(self.stack.broker, WEIGHTS, LEASE)
        self.store, self.schedule = self.queues.store, Schedule(self.stack.broker, LEASE)
        self.model = ScheduleModel(WEIGHTS, LEASE)
        #: every lease there ever was, those that were lost, too
        self.leases: list[Lease] = []
        self.scores: dict[tuple[Stage, str], float] = {}
        self.states: dict[str, JobState] = {}
        self.events = 0

    @property
    def entries(self) -> Entries:
        return self.model.entries

    def teardown(self) -> None:
        self.redis.close()

    # -- rules ----------------------------------------------------------------------------------

    @initialize(jobs=st.lists(st.tuples(TENANT, PRIORITY), min_size=2, max_size=4))
    def submit_some(self, jobs: list[tuple[str, int]]) -> None:
        for name, (tenant, priority) in zip(NAMES, jobs, strict=False):
            self.submit(name, tenant, priority, "a.wav", at_once=False)

    @rule(
        name=st.sampled_from(NAMES),
        tenant=TENANT,
        priority=PRIORITY,
        audio=st.sampled_from(["a.wav", "b.wav"]),
        at_once=st.booleans(),
    )
    def submit(self, name: str, tenant: str, priority: int, audio: str, *, at_once: bool) -> None:
        request = TranscriptionRequest(
            audio=f"/audio/{audio}",
            name=name,
            priority=priority,
            metadata={"tenant": tenant} if tenant else {},
        )
        with self.compared():
            answers = dict(self.store.create([(name, request)], deadline=3600, at_once=at_once))
            assert answers[name] == self.model.submit(
                name, (tenant, priority, audio), at_once=at_once
            )

    @rule(room=st.sampled_from([1, 2, 100]))
    def dispatch(self, room: int) -> None:
        if any(entry.is_due for entry in self.entries.by_key.values()):
            room = 100  # else it is left to chance which of those goes first
        with self.compared():
            found = self.schedule.dispatch(room, weights=WEIGHTS)
            new = self.model.dispatch(room)
            assert [name for _, name in found if name in new] == new
            assert sorted(found) == sorted(self.entries.sent)

    @precondition(lambda self: self.model.ready.turns or self.model.first)
    @rule(slots=st.integers(1, 3))
    def admit(self, slots: int) -> None:
        with self.compared():
            assert self.queues.admit(slots) == self.model.admit(slots)

    @rule(stage=st.sampled_from(Stage), name=st.sampled_from([*NAMES, FLEET]))
    def late_message(self, stage: Stage, name: str) -> None:
        """A message comes at any time, as often as it likes, for anything."""
        self.acquire(stage, name)

    @precondition(lambda self: self.entries.by_key)
    @rule(pick=PICK)
    def message(self, pick: int) -> None:
        """The same for an entry that is there, be it due or another worker's."""
        self.acquire(*sorted(self.entries.by_key)[pick % len(self.entries.by_key)])

    def acquire(self, stage: Stage, entry_id: str) -> None:
        with self.compared():
            lease = self.schedule.acquire(stage, entry_id)
            assert (lease is not None) == self.entries.may_acquire(stage, entry_id)
            if lease is None:
                return
            stalled = self.entries.by_key[stage, entry_id].stalled
            assert lease.stalled_count == stalled
            assert all(int(lease.token) > int(each.token) for each in self.leases)
            self.model.acquire(stage, entry_id, lease.token)
            self.leases.append(lease)

    @rule(pick=PICK)
    def time_passes(self, pick: int) -> None:
        """A lease or a delay is over, or a message is lost."""
        if pending := sorted(key for key, each in self.entries.by_key.items() if not each.is_due):
            self.pass_time(*pending[pick % len(pending)])

    def pass_time(self, stage: Stage, entry_id: str) -> None:
        self.scores[stage, entry_id] = 1.0
        self.redis.zadd(keys.SCHEDULE(stage), {entry_id: 1.0}, xx=True)
        self.entries.by_key[stage, entry_id].after = 0

    def current(self, *stages: Stage) -> list[Lease]:
        """The leases that are not lost, whether or not their time is over."""
        return [
            each
            for each in self.leases
            if (not stages or each.stage in stages) and self.is_current(each)
        ]

    def is_current(self, lease: Lease) -> bool:
        return self.entries.is_current(lease.stage, lease.entry_id, lease.token)

    @precondition(lambda self: self.leases)
    @rule(picks=st.lists(PICK, min_size=1, max_size=3, unique=True))
    def extend(self, picks: list[int]) -> None:
        some = [self.leases[pick % len(self.leases)] for pick in picks]
        with self.compared():
            assert self.schedule.extend(some) == [self.is_current(each) for each in some]
            for each in filter(self.is_current, some):
                self.entries.extend(each.stage, each.entry_id)

    @precondition(lambda self: self.current())
    @rule(pick=PICK, seconds=DELAY)
    def release(self, pick: int, seconds: float) -> None:
        lease = self.current()[pick % len(self.current())]
        with self.compared():
            assert self.schedule.release(lease, seconds)
            self.entries.release(lease.stage, lease.entry_id, seconds)

    @precondition(lambda self: self.current())
    @rule(pick=PICK, is_released=st.booleans())
    def worker_dies(self, pick: int, *, is_released: bool) -> None:
        """Another worker goes on with its work, and releases it, or not."""
        lost = self.current()[pick % len(self.current())]
        self.pass_time(lost.stage, lost.entry_id)
        self.dispatch(100)
        self.acquire(lost.stage, lost.entry_id)
        if is_released:
            self.release(self.current().index(self.leases[-1]), 0.0)

    @precondition(lambda self: self.current())
    @rule(pick=PICK, maximum=st.integers(1, 3), seconds=DELAY)
    def record_failure(self, pick: int, maximum: int, seconds: float) -> None:
        lease = self.current()[pick % len(self.current())]
        with self.compared():
            failures = self.schedule.record_failure(lease, maximum, seconds)
            assert failures == self.entries.record_failure(
                lease.stage, lease.entry_id, maximum, seconds
            )

    @precondition(lambda self: self.current(Stage.POLL))
    @rule()
    def complete_poll(self) -> None:
        (lease,) = self.current(Stage.POLL)
        with self.compared():
            assert self.schedule.complete(lease)
            self.model.complete_poll()

    @precondition(lambda self: self.current())
    @rule(pick=PICK, way=PICK, fails=st.integers(0, 5).map(lambda number: number == 0))
    def work(self, pick: int, way: int, *, fails: bool) -> None:
        lease = self.current()[pick % len(self.current())]
        known = self.model.running if lease.entry_id == FLEET else [lease.entry_id]
        if known:
            self.finish(lease, known[pick % len(known)], way, fails=fails)

    def finish(self, lease: Lease, name: str, way: int, *, fails: bool = False) -> None:
        """Do what a worker does with a job at the end of a stage."""
        state = self.model.jobs[name].state
        with self.compared():
            if lease.stage is Stage.CLEANUP:
                assert self.store.record_cleanup(lease)
                self.model.record_cleanup(name)
            elif state.is_terminal:
                # It was stopped while AWS had it, so it goes on no more.
                to, follows = MOVES[lease.stage][0]
                assert not self.store.advance(lease, name, ACTIVE, to, follows)
                runs = lease.stage is Stage.START and way % 2 == 1
                what: Any = "running" if runs else "ended"
                assert self.store.settle(lease, name, what)
                self.model.settle(lease.stage, name, runs=runs)
            else:
                moves = FAILS if fails else MOVES[lease.stage]
                to, follows = moves[way % len(moves)]
                fields = {"result_uri": "s3://bucket/key"} if follows == "running" else {}
                assert self.store.advance(lease, name, [state], to, follows, fields)
                self.model.advance(lease.stage, name, to, follows)

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

    def bring(self, pick: int, goal: JobState) -> str:
        """Bring a job to a state, if it gets there; returns which."""
        name = sorted(self.model.jobs)[pick % len(self.model.jobs)]
        for _ in range(MAX_STEPS):
            if self.model.jobs[name].state in {goal, *TERMINAL_STATES}:
                break
            self.next_step(name, 0)
        return name

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

    def next_step(self, name: str, way: int) -> None:
        job = self.model.jobs[name]
        at_aws = [(Stage.POLL, FLEET)] if name in self.model.running else []
        own = [(STAGE_OF.get(job.state, Stage.CLEANUP), name), (Stage.START, name)]
        key = next((each for each in at_aws + own if each in self.entries.by_key), None)
        if key is None and job.state is JobState.QUEUED:
            self.dispatch(100)
        elif key is None and job.state is JobState.READY:
            self.admit(3)
        elif key is None:
            return
        elif lease := next(
            (each for each in self.current(key[0]) if each.entry_id == key[1]), None
        ):
            self.finish(lease, name, way)
        elif self.entries.may_acquire(*key):
            self.acquire(*key)
        else:
            self.pass_time(*key)

    @rule(name=st.sampled_from(NAMES))
    def cancel(self, name: str) -> None:
        if name not in self.model.jobs:
            return
        with self.compared():
            try:
                self.store.cancel(name)
            except WrongState:
                assert self.model.stop(name, JobState.CANCELLED) in {
                    JobState.COMPLETED,
                    JobState.FAILED,
                }
            else:
                self.model.stop(name, JobState.CANCELLED)
                assert self.model.jobs[name].state is JobState.CANCELLED

    @rule(name=st.sampled_from(NAMES))
    def deadline_passes(self, name: str) -> None:
        if name not in self.model.jobs or self.model.jobs[name].state.is_terminal:
            return
        with self.compared():
            self.redis.zadd(str(keys.DEADLINES), {name: 1.0}, xx=True)
            assert self.store.fail_overdue() == [name]
            self.model.stop(name, JobState.FAILED)

    @rule(name=st.sampled_from(NAMES))
    def retry(self, name: str) -> None:
        if name not in self.model.jobs:
            return
        with self.compared():
            answer = self.model.retry(name)
            if answer == "ok":
                self.store.retry(name, 3600)
            else:
                with pytest.raises(
                    WrongState, match="being stopped" if answer == "busy" else answer
                ):
                    self.store.retry(name, 3600)

    @rule(name=st.sampled_from(NAMES))
    def record_expires(self, name: str) -> None:
        job = self.model.jobs.get(name)
        is_known = {name} & {
            *self.model.running,
            *(entry_id for _, entry_id in self.entries.by_key),
        }
        if job is None or not job.state.is_terminal or is_known:
            return
        with self.compared():
            self.redis.delete(keys.JOB(name))
            self.redis.zadd(keys.STATE(job.state), {name: 1.0}, xx=True)
            self.store.prune()
            del self.model.jobs[name]
            del self.states[name]

    @precondition(lambda self: len(self.current()) < len(self.leases))
    @rule(pick=PICK, what=PICK)
    def stale_token(self, pick: int, what: int) -> None:
        """A worker whose lease was lost wakes up late: whatever it tries changes nothing."""
        lost = [each for each in self.leases if not self.is_current(each)]
        lease = lost[pick % len(lost)]
        name = NAMES[what % len(NAMES)] if lease.entry_id == FLEET else lease.entry_id
        before = contents.read(self.redis)
        to, follows = MOVES.get(lease.stage, FAILS)[0]
        for answer in (
            *self.schedule.extend([lease]),
            self.schedule.release(lease, 0, seen="something"),
            self.schedule.record_failure(lease, 5, 0),
            self.schedule.complete(lease),
            self.schedule.queue_large(lease),
            self.store.record_upload(lease, "upload"),
            self.store.record_cleanup(lease),
            self.store.start_new_attempt(lease),
            self.store.settle(lease, name, "running"),
            self.store.settle(lease, name, "ended"),
            self.store.advance(lease, name, [*JobState], to, follows, {"result_uri": "stale"}),
        ):
            assert not answer
            assert contents.read(self.redis) == before

    # -- comparing ------------------------------------------------------------------------------

    @contextmanager
    def compared(self) -> Iterator[None]:
        """Compare all of Redis with the model after a step."""
        self.entries.sent, self.model.events = [], []
        before = self.now()
        yield
        after = self.now()
        found = contents.read(self.redis)
        assert contents.seen(found) == contents.expected(self.model)
        assert contents.messages(found) == sorted(self.entries.sent)
        self.compare_events(found.get(str(keys.EVENTS), []))
        self.compare_times(found, before, after)
        self.compare_expiry()

    def now(self) -> float:
        seconds, micros = self.redis.time()
        return float(seconds) + float(micros) / 1e6

    def compare_events(self, events: list[tuple[str, dict[str, str]]]) -> None:
        new = [(each["job"], JobState(each["state"])) for _, each in events[self.events :]]
        assert new == self.model.events
        self.events = len(events)
        for name, state in new:
            before = self.states.get(name)
            assert before is state or state in (
                TRANSITIONS[before] if before else {JobState.QUEUED}
            )
            self.states[name] = state

    def compare_times(self, found: contents.Contents, before: float, after: float) -> None:
        """See when entries are due; then put that far off, so that no second that passes counts."""
        later = self.redis.pipeline()
        for (stage, entry_id), entry in self.entries.by_key.items():
            score = dict(found[keys.SCHEDULE(stage)])[entry_id]
            if not entry.is_new:
                assert score == self.scores[stage, entry_id]
                continue
            earliest, latest = before + entry.after, after + entry.after
            assert earliest - ROUNDING <= score <= latest + ROUNDING, (stage, entry_id, entry)
            entry.is_new = False
            self.scores[stage, entry_id] = score if entry.is_due else round(after) + FAR
            later.zadd(keys.SCHEDULE(stage), {entry_id: self.scores[stage, entry_id]}, xx=True)
        for position, name in enumerate(self.model.running):
            later.zadd(str(keys.RUNNING), {name: position})
        later.delete(*contents.MESSAGE_LISTS)
        later.execute()

    def compare_expiry(self) -> None:
        """Records of jobs that have ended expire, and no others."""
        asked = self.redis.pipeline()
        for name in self.model.jobs:
            asked.ttl(keys.JOB(name))
        expires = [seconds > 0 for seconds in asked.execute()]
        assert expires == [job.state.is_terminal for job in self.model.jobs.values()]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """One Redis for all examples."""
    folder: Path = tmp_path_factory.mktemp("model")
    with make_stack(folder) as built:
        yield built


def test_redis_does_what_the_model_says(shared: Stack) -> None:
    ScheduleMachine.stack = shared
    run_state_machine_as_test(
        ScheduleMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            derandomize="CI" in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
