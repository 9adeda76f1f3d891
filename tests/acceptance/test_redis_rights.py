"""Redis as operators set it up: users with few rights, a Cluster, a socket, renamed commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time

import pytest
import redis

from producer import Client
from producer.backend import keys
from producer.backend.connection import Broker
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE
from producer.errors import BrokerUnusable
from producer.settings import ProducerSettings
from tests.support.redis_server import redis_server
from tests.support.stack import ROOT, Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long

DOCUMENTED = re.findall(
    r"^ACL SETUSER (.+)$", (ROOT / "docs/reference/redis.md").read_text(), re.MULTILINE
)


def let_in(stack: Stack, name: str, *more: str) -> str:
    """The URL of a user with the documented rights, and with more rules after them."""
    (rules,) = [shlex.split(line) for line in DOCUMENTED if line.startswith(f"{name} ")]
    password = next(rule[1:] for rule in rules if rule.startswith(">"))
    stack.broker.command("ACL", "SETUSER", *rules, *more)
    return f"redis://{name}:{password}@127.0.0.1:{stack.redis_port}/0"


def denials(stack: Stack) -> list[str]:
    """What was refused to somebody, by Redis's own log."""
    return [str(entry) for entry in stack.broker.command("ACL", "LOG")]


def test_the_documented_rights_are_enough(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    worker_url = let_in(stack, "transcribe-worker")
    producer_url = let_in(stack, "transcribe-producer")
    worker = stack.start_worker("worker", "-E", redis_url=worker_url)
    stack.environment["TRANSCRIBE_REDIS_URL"] = producer_url
    recording = str(stack.sample("silence.wav"))
    with Client(settings=ProducerSettings(redis_url=producer_url, lease=2.0)) as client:
        client.submit(recording, name="one", cleanup=True, formats=["txt", "srt"])
        client.submit_many(
            {"audio": recording, "name": name, "metadata": {"tenant": name}, "priority": 1}
            for name in ("two", "three")
        )
        client.submit("s3://test-bucket/none.wav", name="bad")
        client.cancel(client.submit(recording, name="stopped").id)
        client.wait(["one", "two", "three", "bad", "stopped"], timeout=DEADLINE, cleaned=True)
        assert client.get("bad").state is JobState.FAILED
        assert "job one" in client.text("one")
        assert client.counts()[JobState.COMPLETED] == 3
        client.retry("bad")
        assert len(client.list()) == 5
        stack.broker.command("LPUSH", CONTROL_QUEUE, "no message")
        (dead_letter,) = until(client.dead_letters.all)
        client.dead_letters.drop(dead_letter.id)
    recovered = stack.transcribe("recover", "--timeout", "60")
    assert recovered.returncode == 0, recovered.stderr
    environment = {**os.environ, **stack.environment, "TRANSCRIBE_REDIS_URL": worker_url}
    ping = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "inspect", "ping", "--timeout", "10"],
        env=environment,
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "pong" in ping.stdout, ping.stderr
    doctor = stack.transcribe("doctor")
    assert (doctor.returncode, doctor.stderr) == (0, "")
    assert "FIX" not in doctor.stdout

    worker.terminate()
    assert worker.wait(timeout=DEADLINE) == 0
    # redis-py says of itself what it is, and Redis may refuse that; INFO is doctor's.
    refused = [each for each in denials(stack) if not re.search(r"client|'info'", each)]
    assert refused == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("-zadd", "use ZADD"),
        ("resetkeys ~transcribe:*", f"use {CONTROL_QUEUE}, "),
    ],
    ids=["command", "keys"],
)
def test_a_right_that_is_missing_is_named_before_anything_is_done(
    stack: Stack, rule: str, says: str
) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    url = let_in(stack, "transcribe-worker", *rule.split())
    stack.environment["TRANSCRIBE_REDIS_URL"] = url
    expected = rf"Redis at \S+ does not let the user 'transcribe-worker' {re.escape(says)}.*\.$"

    submitted = stack.transcribe("submit", str(stack.sample("silence.wav")), "--name", "one")
    assert submitted.returncode == 2
    assert re.search(expected.removesuffix("$"), submitted.stderr)
    assert submitted.stderr.count("\n") == 1
    doctor = stack.transcribe("doctor")
    assert (doctor.returncode, doctor.stderr) == (1, "")
    assert re.search(rf"^FIX  redis: {expected}", doctor.stdout)
    worker = run_worker(stack)
    assert worker.returncode == 2
    assert re.search(rf"^worker: {expected}", worker.stderr, re.MULTILINE)
    assert "Traceback" not in worker.stderr
    assert stack.broker.command("KEYS", "*") == []


def test_a_channel_that_is_missing_is_named_too(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    url = let_in(stack, "transcribe-worker", "resetchannels")
    stack.environment["TRANSCRIBE_REDIS_URL"] = url
    worker = run_worker(stack)
    assert worker.returncode == 2
    assert "use one of our channels" in worker.stderr


def test_a_right_that_is_revoked_while_a_worker_runs(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    worker = stack.start_worker(redis_url=let_in(stack, "transcribe-worker"), log_level="debug")
    until(lambda: stack.broker.command("INFO", "clients")["blocked_clients"] > 0)
    # It sends its heartbeat still, but gets no message.
    stack.broker.command("ACL", "SETUSER", "transcribe-worker", "-brpop")
    ids = [stack.client.submit(stack.sample("silence.wav"), name="one").id]
    until(lambda: "FIX  worker" in stack.transcribe("doctor").stdout, 60)
    assert "use the command BRPOP" in stack.transcribe("doctor").stdout
    # Not all the time: one that is refused asks again after two seconds.
    before, started_at = lost(stack), time.monotonic()
    asked = until(lambda: lost(stack) - before if lost(stack) >= before + 3 else 0, 60)
    assert time.monotonic() - started_at > 1.5 * (asked - 1)
    assert worker.poll() is None
    stack.broker.command("ACL", "SETUSER", "transcribe-worker", "+brpop")
    assert stack.client.wait(ids, timeout=60)["one"].state is JobState.COMPLETED
    assert worker.poll() is None


def lost(stack: Stack) -> int:
    """How often Redis has refused the consumer, by its log."""
    entries = stack.broker.command("ACL", "LOG")
    flat = [
        dict(zip(each[::2], each[1::2], strict=True)) if isinstance(each, list) else each
        for each in entries
    ]
    return sum(int(each["count"]) for each in flat if each["object"] == "brpop")


def run_worker(stack: Stack) -> subprocess.CompletedProcess[str]:
    """A worker that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker"],
        env={**os.environ, **stack.environment},
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def assert_refused_everywhere(stack: Stack, url: str, says: str) -> None:
    """By submit, a service, a worker that starts, and doctor."""
    stack.environment["TRANSCRIBE_REDIS_URL"] = url
    submitted = stack.transcribe("submit", str(stack.sample("silence.wav")))
    assert (submitted.returncode, submitted.stderr.count("\n")) == (2, 1)
    assert says in submitted.stderr
    doctor = stack.transcribe("doctor")
    assert (doctor.returncode, doctor.stderr, doctor.stdout.count("\n")) == (1, "", 1)
    assert doctor.stdout.startswith("FIX  redis: ")
    assert says in doctor.stdout
    worker = run_worker(stack)
    assert worker.returncode == 2
    assert says in worker.stderr
    assert "Traceback" not in worker.stderr
    with (
        Client(settings=ProducerSettings(redis_url=url)) as client,
        pytest.raises(BrokerUnusable, match="Nothing was recorded") as caught,
    ):
        client.submit("/audio/x.wav")
    assert caught.value.accepted is False
    assert says in str(caught.value)


def test_a_cluster_of_one_node_is_refused(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    with redis_server(stack.folder, "--cluster-enabled", "yes") as port:
        node = redis.Redis(port=port)
        node.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        until(lambda: b"cluster_state:ok" in node.execute_command("CLUSTER", "INFO"))
        assert_refused_everywhere(stack, f"redis://127.0.0.1:{port}/0", "is a Redis Cluster")


def test_a_socket_with_a_password_and_a_database_serves_both_sides(stack: Stack) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    path = stack.folder / "Redis Socket"
    with redis_server(stack.folder, "--unixsocket", str(path), "--requirepass", "p#w@") as port:
        url = f"unix://:p%23w%40@{str(path).replace(' ', '%20')}?db=3"
        stack.environment["TRANSCRIBE_REDIS_URL"] = url
        broker = Broker(url)
        stack.client = Client(settings=ProducerSettings(redis_url=url, lease=2.0))
        worker = stack.start_worker()
        done = stack.transcribe("submit", str(stack.sample("silence.wav")), "--wait")
        assert done.returncode == 0, done.stderr
        doctor = stack.transcribe("doctor")
        assert doctor.returncode == 0, doctor.stdout
        assert f"at {path}" in doctor.stdout
        assert redis.Redis(port=port, db=3, password="p#w@").exists(str(keys.WORKERS))
        # Nobody came by TCP but the line above, and the worker's messages come by the socket too.
        clients = broker.command("CLIENT", "LIST")
        assert "cmd=brpop" in clients
        assert not re.search(r"addr=127.*cmd=(brpop|psubscribe)", clients)
        worker.terminate()
        assert worker.wait(timeout=DEADLINE) == 0
        assert "p#w@" not in stack.sandbox.log("worker").read_text()
        broker.close()
