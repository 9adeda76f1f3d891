"""Requests from other languages, against any JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.contract.job import JobState
from tests.conftest import make_stack
from tests.support.stack import Stack
from worker.ingress.accept import accept_request
from worker.runtime.context import Context
from worker.settings import WorkerSettings

pytestmark = pytest.mark.redis

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
fields = st.sampled_from(
    ["audio", "name", "language", "formats", "metadata", "priority", "deadline", "tags", "output"]
)
near_misses = st.dictionaries(fields, json_values | st.sampled_from(["/a.wav", "en-US", "x", "."]))


@pytest.fixture(scope="module")
def worker(
    tmp_path_factory: pytest.TempPathFactory, redis_server: str
) -> Iterator[tuple[Stack, Context]]:
    """A worker's context without its processes; accepting a request calls no AWS."""
    with make_stack(tmp_path_factory.mktemp("ingress")) as stack:
        os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
        try:
            yield (
                stack,
                Context(
                    WorkerSettings(
                        redis_url=stack.redis_url,
                        bucket="some-bucket",
                        audio_roots=(Path(stack.audio),),
                    )
                ),
            )
        finally:
            del os.environ["AWS_DEFAULT_REGION"]


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=json_values | near_misses)
def test_every_message_is_either_recorded_or_kept_with_a_reason(
    worker: tuple[Stack, Context], request: object
) -> None:
    stack, context = worker
    stack.broker.command("FLUSHDB")
    accept_request(context, request, "some-message")
    jobs = stack.client.list(limit=10)
    dead = stack.client.dead_letters.all()
    accepted = [job for job in jobs if job.state is JobState.QUEUED]
    assert len(accepted) + len(dead) == 1
    for dead_letter in dead:
        assert dead_letter.reason.startswith("Invalid request: ")
        assert "\n" not in dead_letter.reason
        assert dead_letter.reason.isprintable()
        assert len(dead_letter.reason) <= 1000
    for job in jobs:
        # Every recorded job can be shown.
        json.dumps(job.model_dump(mode="json"))
