"""Redis makes the moves of TRANSITIONS and refuses all others."""

from __future__ import annotations

from itertools import product

import pytest
import redis

from producer.backend import keys
from producer.backend.schedule import Schedule
from producer.contract.job import FIRST_STATES, TRANSITIONS, JobState
from producer.contract.stages import FLEET, Stage
from tests.support.stack import LEASE, Stack


def test_a_move_is_made_if_and_only_if_the_table_has_it(stack: Stack) -> None:
    schedule = Schedule(stack.broker, LEASE)
    for number, (before, to) in enumerate(product(JobState, JobState)):
        name = f"job-{number}"
        stack.client.submit("/audio/a.wav", name=name)
        schedule.dispatch(1000)
        lease = schedule.acquire(Stage.UPLOAD, name)
        assert lease is not None
        # As if it had come to this state.
        stack.broker.command("ZREM", keys.STATE(JobState.UPLOADING), name)
        stack.broker.command("ZADD", keys.STATE(before), 1, name)
        stack.broker.command("HSET", keys.JOB(name), "state", before)
        record = stack.broker.command("HGETALL", keys.JOB(name))
        if to in TRANSITIONS[before]:
            assert stack.store.advance(lease, name, [before], to)
            assert stack.store.get(name).state is to
        else:
            with pytest.raises(redis.ResponseError, match=f"from {before} to {to}"):
                stack.store.advance(lease, name, [before], to)
            assert stack.broker.command("HGETALL", keys.JOB(name)) == record
            assert schedule.extend([lease]) == [True]


@pytest.mark.command("recover_job")
def test_a_record_has_such_first_states_only_as_the_table_has(stack: Stack) -> None:
    token = "1"
    stack.broker.command("HSET", keys.LEASE(Stage.RECOVER), FLEET, token)

    def recover(state: JobState) -> object:
        return stack.broker.run(
            "recover_job",
            stage=Stage.RECOVER,
            entry=FLEET,
            token=token,
            id=f"job-{state}",
            found="{}",
            is_known=False,
            state=state,
            steps={},
            lease=LEASE,
            retention=3600,
            deadline=3600,
            key="",
            key_seconds=0,
            fields={"request": "{}"},
        )

    for state in JobState:
        if state in FIRST_STATES:
            assert recover(state) == "noted"
            assert stack.broker.command("HGET", keys.JOB(f"job-{state}"), "state") == state
        else:
            with pytest.raises(redis.ResponseError, match=f"cannot begin in {state}"):
                recover(state)
            assert not stack.broker.command("EXISTS", keys.JOB(f"job-{state}"))
            assert not stack.broker.command("HEXISTS", str(keys.RECOVERED), f"job-{state}")
