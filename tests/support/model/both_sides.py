"""What producers, dispatchers and workers do, done to Redis and to the model."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from producer.backend import keys
from producer.backend.identities import Identities, KnownResult, Offer
from producer.backend.running import RunningJobs
from producer.backend.schedule import Lease, Schedule
from producer.contract.job import TERMINAL_STATES, JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import FLEET, STAGE_OF, Stage, Steps
from producer.contract.submission import Submission
from producer.errors import WrongState
from tests.support.fair_queues import FairQueues
from tests.support.model.comparison import Comparison
from tests.support.model.entries import Entries
from tests.support.model.schedule import FIRST_POLL, ScheduleModel
from tests.support.stack import Stack

#: Seconds, longer than any example: leases lapse when a rule says so.
LEASE = 600.0
#: Exact binary fractions, so that virtual time is exact, too.
WEIGHTS = {"alice": 4.0, "bob": 0.5}
NAMES = ["one", "two", "three", "four", "five", "six"]
#: What a worker may do with a job at each stage: the state it enters, and how it waits for stages
#: other than it would anyhow.
MOVES: dict[Stage, list[tuple[JobState, Steps]]] = {
    Stage.UPLOAD: [(JobState.READY, {})],
    Stage.START: [(JobState.TRANSCRIBING, {}), (JobState.READY, {Stage.START: "first"})],
    Stage.POLL: [(JobState.COLLECTING, {}), (JobState.READY, {})],
    Stage.COLLECT: [
        (JobState.COMPLETED, {}),
        (JobState.COMPLETED, {Stage.CLEANUP: "none"}),
        (JobState.TRANSCRIBING, {}),
        (JobState.UPLOADING, {Stage.UPLOAD: "message"}),
    ],
}
#: The same for a collect that searches the result of a missing job.
FOUND: list[tuple[JobState, Steps]] = [(JobState.COLLECTING, {Stage.COLLECT: "none"})]
FAILS: list[tuple[JobState, Steps]] = [(JobState.FAILED, {})]
#: To any state it takes fewer.
MAX_STEPS = 20
ACTIVE = [state for state in JobState if not state.is_terminal]


class BothSides:
    """Redis and the model, side by side: each step is done to both, and both are compared."""

    def __init__(self, stack: Stack) -> None:
        self.redis: redis.Redis = redis.Redis.from_url(stack.redis_url, decode_responses=True)
        self.redis.flushdb()
        self.queues = FairQueues(stack.broker, WEIGHTS, LEASE)
        self.store, self.schedule = self.queues.store, Schedule(stack.broker, LEASE)
        self.running = RunningJobs(stack.broker)
        self.identities = Identities(stack.broker, lease=LEASE)
        self.model = ScheduleModel(WEIGHTS, LEASE)
        #: every lease there ever was, those that were lost, too
        self.leases: list[Lease] = []
        comparison = Comparison(self.redis, self.model)
        self.scores, self.states, self.compared = (
            comparison.scores,
            comparison.states,
            comparison.step,
        )

    @property
    def entries(self) -> Entries:
        return self.model.entries

    def submit(self, name: str, tenant: str, priority: int, audio: str, *, at_once: bool) -> None:
        request = TranscriptionRequest(
            audio=f"/audio/{audio}",
            name=name,
            priority=priority,
            metadata={"tenant": tenant} if tenant else {},
        )
        with self.compared():
            submission = Submission.of(request)
            (((_, answer),),) = self.store.record([submission], deadline=3600, at_once=at_once)
            assert answer == self.model.submit(name, (tenant, priority, audio), at_once=at_once)

    def dispatch(self, room: int) -> None:
        if any(entry.is_due for entry in self.entries.by_key.values()):
            room = 100  # else it is left to chance which of those goes first
        with self.compared():
            found = self.schedule.dispatch(room, weights=WEIGHTS)
            new = self.model.dispatch(room)
            assert [name for _, name in found if name in new] == new
            assert sorted(found) == sorted(self.entries.sent)

    def admit(self, slots: int) -> None:
        with self.compared():
            assert self.queues.admit(slots) == self.model.admit(slots)

    def passed_over(self, state: JobState) -> list[str]:
        """The tenants that wait in a queue that has served a job."""
        queue = self.model.queued if state is JobState.QUEUED else self.model.ready
        return sorted(each for each in queue.turns if queue.now and queue.waiting[each])

    def serve_passed_over(self, state: JobState, tenant: str) -> None:
        """Serve a tenant as if a limit had kept it from that since its queue was empty."""
        queue = self.model.queued if state is JobState.QUEUED else self.model.ready
        queue.turns[tenant] = 0.0
        self.redis.zadd(keys.TENANTS(state), {tenant: 0.0})
        if state is JobState.QUEUED:
            self.dispatch(1)
        else:
            self.admit(1)

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

    def extend(self, picks: list[int]) -> None:
        some = [self.leases[pick % len(self.leases)] for pick in picks]
        with self.compared():
            assert self.schedule.extend(some) == [self.is_current(each) for each in some]
            for each in filter(self.is_current, some):
                self.entries.extend(each.stage, each.entry_id)

    def release(self, pick: int, seconds: float, *, has_started: bool) -> None:
        lease = self.current()[pick % len(self.current())]
        with self.compared():
            assert self.schedule.release(lease, seconds, has_started=has_started)
            if lease.stage is Stage.POLL and self.model.missed:
                seconds = min(seconds, FIRST_POLL)
            if has_started:
                self.entries.release(lease.stage, lease.entry_id, seconds)
            else:
                self.entries.wait(lease.stage, lease.entry_id, seconds)

    def worker_dies(self, pick: int, *, is_released: bool) -> None:
        """Another worker goes on with its work, and releases it, or not."""
        lost = self.current()[pick % len(self.current())]
        self.pass_time(lost.stage, lost.entry_id)
        self.dispatch(100)
        self.acquire(lost.stage, lost.entry_id)
        if is_released:
            self.release(self.current().index(self.leases[-1]), 0.0, has_started=True)

    def record_failure(self, pick: int, maximum: int, seconds: float) -> None:
        lease = self.current()[pick % len(self.current())]
        with self.compared():
            failures = self.schedule.record_failure(lease, maximum, seconds)
            assert failures == self.entries.record_failure(
                lease.stage, lease.entry_id, maximum, seconds
            )

    def complete_poll(self) -> None:
        (lease,) = self.current(Stage.POLL)
        with self.compared():
            assert self.schedule.complete(lease)
            self.model.complete_poll()

    def finish(self, lease: Lease, name: str, way: int, *, fails: bool = False) -> None:
        """Do what a worker does with a job at the end of a stage."""
        state = self.model.jobs[name].state
        with self.compared():
            if lease.stage is Stage.CLEANUP:
                assert self.schedule.complete(lease, {"cleaned_at": 1})
                self.model.record_cleanup(name)
            elif lease.stage is Stage.UPLOAD and way % 2 == 1 and not fails:
                # Its audio says what its fingerprint is.
                fingerprint = self.model.jobs[name].request[2]
                answer = self.identities.identify(lease, fingerprint, {"media_uri": "s3://a/b"})
                assert answer == self.model.identify(name, fingerprint)
            elif state.is_terminal:
                # It was stopped while AWS had it, so it goes on no more.
                to, steps = MOVES[lease.stage][0]
                assert not self.store.advance(lease, name, ACTIVE, to, steps)
                runs = lease.stage is Stage.START and way % 2 == 1
                what: Any = "running" if runs else "ended"
                assert self.store.settle(lease, name, what)
                self.model.settle(lease.stage, name, runs=runs)
            else:
                searches = lease.stage is Stage.COLLECT and state is JobState.TRANSCRIBING
                moves = FOUND if searches else FAILS if fails else MOVES[lease.stage]
                to, steps = moves[way % len(moves)]
                runs = to is JobState.TRANSCRIBING
                fields = {"result_uri": "s3://bucket/key"} if runs else {}
                offer = self._offer(name) if to is JobState.COMPLETED and way % 2 == 1 else None
                assert self.store.advance(lease, name, [state], to, steps, fields, offer)
                if offer is not None:
                    self.model.offer(name)
                self.model.advance(lease.stage, name, to, steps)

    def _offer(self, name: str) -> Offer | None:
        """The result of a job that may serve others."""
        fingerprint = self.model.jobs[name].fingerprint
        result = KnownResult(job=name, path=name, digests={"json": "0"})
        return Offer(fingerprint, result, 3600) if fingerprint else None

    def forget_result(self, audio: str, name: str) -> None:
        with self.compared():
            assert self.identities.forget(audio, name) == self.model.forget(audio, name)

    def bring(self, pick: int, goal: JobState) -> str:
        """Bring a job to a state, if it gets there; returns which."""
        name = sorted(self.model.jobs)[pick % len(self.model.jobs)]
        for _ in range(MAX_STEPS):
            if self.model.jobs[name].state in {goal, *TERMINAL_STATES}:
                break
            self.next_step(name, 0)
        return name

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

    def deadline_passes(self, name: str) -> None:
        if name not in self.model.jobs or self.model.jobs[name].state.is_terminal:
            return
        with self.compared():
            self.redis.zadd(str(keys.DEADLINES), {name: 1.0}, xx=True)
            assert self.store.fail_overdue() == [name]
            self.model.stop(name, JobState.FAILED)

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
