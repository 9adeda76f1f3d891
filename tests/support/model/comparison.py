"""Compares all that is in Redis with the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from producer.backend import keys
from producer.contract.job import TRANSITIONS, JobState
from producer.contract.stages import Stage
from tests.support.model import contents
from tests.support.model.schedule import ScheduleModel

#: Redis's scores are rounded to microseconds.
ROUNDING = 2e-6
#: Seconds from now at which nothing is due while the test runs.
FAR = 1e6


class Comparison:
    """Redis against the model, after each step."""

    def __init__(self, connection: redis.Redis, model: ScheduleModel) -> None:
        self._redis = connection
        self._model = model
        self._events = 0
        #: when each entry is due, as Redis says
        self.scores: dict[tuple[Stage, str], float] = {}
        self.states: dict[str, JobState] = {}

    @contextmanager
    def step(self) -> Iterator[None]:
        """Compare all of Redis with the model after the step of the block."""
        self._model.entries.sent, self._model.events = [], []
        before = self._now()
        yield
        after = self._now()
        found = contents.read(self._redis)
        assert contents.seen(found) == contents.expected(self._model)
        assert contents.messages(found) == sorted(self._model.entries.sent)
        self._compare_events(found.get(str(keys.EVENTS), []))
        self._compare_times(found, before, after)
        self._compare_expiry()

    def _now(self) -> float:
        seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1e6

    def _compare_events(self, events: list[tuple[str, dict[str, str]]]) -> None:
        new = [(each["job"], JobState(each["state"])) for _, each in events[self._events :]]
        assert new == self._model.events
        self._events = len(events)
        for name, state in new:
            before = self.states.get(name)
            assert before is state or state in (
                TRANSITIONS[before] if before else {JobState.QUEUED}
            )
            self.states[name] = state

    def _compare_times(self, found: contents.Contents, before: float, after: float) -> None:
        """See when entries are due; then put that far off, so that no second that passes counts."""
        later = self._redis.pipeline()
        for (stage, entry_id), entry in self._model.entries.by_key.items():
            score = dict(found[keys.SCHEDULE(stage)])[entry_id]
            if not entry.is_new:
                assert score == self.scores[stage, entry_id]
                continue
            earliest, latest = before + entry.after, after + entry.after
            assert earliest - ROUNDING <= score <= latest + ROUNDING, (stage, entry_id, entry)
            entry.is_new = False
            self.scores[stage, entry_id] = score if entry.is_due else round(after) + FAR
            later.zadd(keys.SCHEDULE(stage), {entry_id: self.scores[stage, entry_id]}, xx=True)
        for position, name in enumerate(self._model.running):
            later.zadd(str(keys.RUNNING), {name: position})
        later.delete(*contents.MESSAGE_LISTS)
        later.execute()

    def _compare_expiry(self) -> None:
        """Records of jobs that have ended expire, and no others."""
        asked = self._redis.pipeline()
        for name in self._model.jobs:
            asked.ttl(keys.JOB(name))
        expires = [seconds > 0 for seconds in asked.execute()]
        assert expires == [job.state.is_terminal for job in self._model.jobs.values()]
