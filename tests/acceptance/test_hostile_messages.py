"""Whatever can be put into a queue: no worker ends of it, nothing vanishes, others go on."""

from __future__ import annotations

import base64
import json
import pickle
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from producer.backend import keys
from producer.backend.dead_letters import MAX_CHARACTERS, MAX_DEAD_LETTERS
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE, QUEUES, Stage
from tests.conftest import make_stack
from tests.support.stack import Stack
from tests.support.waiting import until

DEAD = str(keys.DEAD_LETTERS)
MB = 1024 * 1024

texts = st.text(alphabet=st.characters(), max_size=20)
typed = st.builds(
    lambda kind, value: {"__type__": kind, "__value__": value},
    st.sampled_from(["uuid", "decimal", "datetime", "date", "time", "none"]),
    st.none() | st.integers() | texts | st.dictionaries(texts, texts, max_size=1),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | typed
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from(
    [
        ("body",),
        ("content-type",),
        ("content-encoding",),
        ("headers",),
        ("headers", "task"),
        ("headers", "id"),
        ("headers", "root_id"),
        ("properties",),
        ("properties", "delivery_tag"),
        ("properties", "delivery_info"),
        ("properties", "body_encoding"),
        ("properties", "correlation_id"),
        ("properties", "priority"),
    ]
)


def envelope(request: object) -> dict[str, Any]:
    """A message as another language would write it."""
    task_id = str(uuid.uuid4())
    body = json.dumps([[request], {}, {}]).encode()
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "js", "task": Stage.SUBMIT.task, "id": task_id},
        "properties": {
            "delivery_tag": task_id,
            "delivery_info": {"exchange": "", "routing_key": CONTROL_QUEUE},
            "body_encoding": "base64",
        },
    }


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A message with one thing wrong, or missing; what it asks for is refused anyway."""
    message = envelope(draw(json_values))
    *before, last = draw(paths)
    target = message
    for step in before:
        target = target[step]
    if draw(st.booleans()):
        target.pop(last, None)
    else:
        target[last] = draw(json_values)
    return json.dumps(message)


entries = st.tuples(
    st.sampled_from(QUEUES), st.binary(max_size=100) | json_values.map(json.dumps) | mutated()
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """One worker for all tests here, which must be the same in the end."""
    with make_stack(tmp_path_factory.mktemp("target")) as stack:
        stack.start_aws("--recogniser", "fixed:0.2")
        worker = stack.start_worker()
        yield stack
        assert worker.poll() is None


def good_job(stack: Stack) -> str:
    """A good request, by the same way."""
    name = f"good-{uuid.uuid4()}"
    request = {"audio": str(stack.sample("silence.wav")), "name": name}
    stack.broker.command("LPUSH", CONTROL_QUEUE, json.dumps(envelope(request)))
    return name


def completed(stack: Stack, name: str) -> bool:
    return name in [job.id for job in stack.client.list([JobState.COMPLETED], limit=1000)]


@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(hostile=st.lists(entries, min_size=20, max_size=40))
def test_every_bad_entry_of_a_queue_becomes_a_dead_letter_and_good_jobs_go_on(
    target: Stack, hostile: list[tuple[str, str | bytes]]
) -> None:
    target.broker.command("DEL", DEAD)
    target.broker.commands([("LPUSH", queue, entry) for queue, entry in hostile])
    name = good_job(target)
    until(lambda: completed(target, name), what="the good job")
    until(
        lambda: target.broker.command("LLEN", DEAD) == len(hostile), what="a dead letter for each"
    )
    for dead_letter in target.client.dead_letters.all():
        assert dead_letter.reason.startswith(("Not a message for us: ", "Invalid request: "))
        assert dead_letter.reason.isprintable()


def test_a_message_of_100_mb_delays_no_job(target: Stack) -> None:
    target.broker.command("DEL", DEAD)
    worker = psutil.Process(target.client.fleet.alive()[0].pid)
    before = worker.memory_info().rss
    huge = json.dumps(envelope({"audio": "/" + "x" * (75 * MB)}))
    assert len(huge) > 100 * MB
    target.broker.command("LPUSH", CONTROL_QUEUE, huge)
    names = [good_job(target) for _ in range(10)]
    most = before

    def all_done() -> bool:
        nonlocal most
        most = max(most, worker.memory_info().rss)
        return all(completed(target, name) for name in names)

    until(all_done, what="the jobs that came after it")
    until(lambda: target.broker.command("LLEN", DEAD) == 1)
    (dead_letter,) = target.client.dead_letters.all()
    assert "bytes long" in dead_letter.reason
    assert (len(dead_letter.message), dead_letter.whole) == (MAX_CHARACTERS, False)
    assert most - before < 4 * len(huge)


@pytest.mark.redis
def test_dead_letters_use_bounded_memory(target: Stack) -> None:
    target.broker.command("DEL", DEAD)
    number = MAX_DEAD_LETTERS + 50
    entry = "\x01" * (4 * MAX_CHARACTERS)
    target.broker.commands([("LPUSH", CONTROL_QUEUE, entry)] * number)
    name = good_job(target)
    until(lambda: target.broker.command("LLEN", CONTROL_QUEUE) == 0)
    until(lambda: completed(target, name))
    # Whatever Redis itself makes of it, so much is stored, and no more. As JSON, such a character
    # takes six.
    until(lambda: target.broker.command("LLEN", DEAD) == MAX_DEAD_LETTERS)
    at_once = 50
    for first in range(0, MAX_DEAD_LETTERS, at_once):
        dead_letters = target.broker.command("LRANGE", DEAD, first, first + at_once - 1, raw=True)
        assert len(dead_letters) == at_once
        assert all(len(dead_letter) < 6 * MAX_CHARACTERS + 2000 for dead_letter in dead_letters)
    target.broker.command("DEL", DEAD)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(target: Stack) -> None:
    sprung = target.folder / "sprung"
    trap = pickle.dumps([[Trap(sprung)], {}, {}])
    message = envelope({}) | {
        "body": base64.b64encode(trap).decode(),
        "content-encoding": "binary",
    }
    target.broker.command("DEL", DEAD)
    for content_type in ("application/x-python-serialize", "application/json"):
        entry = json.dumps(message | {"content-type": content_type})
        target.broker.command("LPUSH", CONTROL_QUEUE, entry)
        # The same, as a remote command, to which a worker listens a while after it reports.
        until(partial(target.broker.command, "PUBLISH", "/0.celery.pidbox", entry))
    until(lambda: target.broker.command("LLEN", DEAD) == 2)
    reasons = [dead_letter.reason for dead_letter in target.client.dead_letters.all()]
    assert sorted("content-type" in reason for reason in reasons) == [False, True]
    assert sorted("must be JSON" in reason for reason in reasons) == [False, True]
    name = good_job(target)
    until(lambda: completed(target, name))
    assert not sprung.exists()
