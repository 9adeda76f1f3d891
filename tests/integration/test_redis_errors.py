"""Each error of a real Redis is one sentence, of a class that says who can wait and who cannot."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from producer.backend.access import DIRECT_COMMANDS, check_access
from producer.backend.connection import Broker
from producer.contract.stages import CONTROL_QUEUE
from producer.errors import BrokerUnavailable, BrokerUnusable
from tests.support.redis_server import redis_server
from tests.support.stack import Stack

ROOT = Path(__file__).parents[2]


def refusal(url: str) -> BrokerUnavailable:
    """What the first check reports."""
    broker = Broker(url, timeout=2)
    try:
        with pytest.raises(BrokerUnavailable) as caught:
            check_access(broker, worker=False)
        sentence = str(caught.value)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert len(sentence) < 400
        return caught.value
    finally:
        broker.close()


def assert_unusable(url: str, says: str) -> None:
    error = refusal(url)
    assert isinstance(error, BrokerUnusable)
    assert error.exit_code == 2
    assert says in str(error)


def assert_waits(url: str, says: str) -> None:
    error = refusal(url)
    assert not isinstance(error, BrokerUnusable)
    assert error.exit_code == 4
    assert says in str(error)


def test_settings_that_are_wrong(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--requirepass", "right") as port:
        assert_unusable(f"redis://127.0.0.1:{port}/0", "wants a password")
        assert_unusable(f"redis://:wr0ng@127.0.0.1:{port}/0", "refuses the password")
        assert_unusable(f"redis://u:right@127.0.0.1:{port}/0", "refuses the password")
        assert_unusable(f"redis://:right@127.0.0.1:{port}/99", "has no database 99")


@pytest.mark.parametrize("command", ["EVALSHA", "XADD", "LREM"])
def test_a_command_that_was_renamed(tmp_path: Path, command: str) -> None:
    with redis_server(tmp_path, "--rename-command", command, "") as port:
        assert_unusable(f"redis://127.0.0.1:{port}/0", f"does not know the command {command}")


@pytest.mark.command("try_access")
def test_rights_that_are_missing(stack: Stack) -> None:
    url = f"redis://few:pw@127.0.0.1:{stack.redis_port}/1"
    for rules, says in (
        ("~* +@all -zadd", "use ZADD"),
        ("~* +@all -evalsha", "use the command EVALSHA"),
        ("~* +@all -xread", "use XREAD"),
        ("~* +@all -select", "use the command SELECT"),
        ("~other:* +@all", f"use transcribe:access, {CONTROL_QUEUE}, "),
    ):
        stack.broker.command("ACL", "DELUSER", "few")
        stack.broker.command("ACL", "SETUSER", "few", "on", ">pw", *rules.split())
        assert_unusable(url, f"does not let the user 'few' {says}")
        assert stack.broker.command("KEYS", "*") == []
    # Not to know the version is no reason to do without all else.
    stack.broker.command("ACL", "SETUSER", "few", "~*", "&*", "+@all", "-info")
    broker = Broker(url)
    check_access(broker, worker=True)
    broker.close()
    assert stack.broker.command("KEYS", "*") == []


def test_a_cluster(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--cluster-enabled", "yes") as port:
        url = f"redis://127.0.0.1:{port}/0"
        assert_unusable(url, "is a Redis Cluster")
        assert_unusable(url.removesuffix("0") + "1", "is a Redis Cluster")


def test_what_passes(tmp_path: Path) -> None:
    with redis_server(tmp_path) as port:
        url, admin = f"redis://127.0.0.1:{port}/0", redis.Redis(port=port)
        admin.ping()
        admin.config_set("maxclients", "1")
        assert_waits(url, "has no connection left")
        admin.config_set("maxclients", "100")
        broker = Broker(url)
        admin.config_set("maxmemory", "1")
        assert says(broker) == "is full"
        admin.config_set("maxmemory", "0")
        admin.replicaof("127.0.0.1", "1")
        assert says(broker) == "is a replica, which"
        admin.config_set("replica-serve-stale-data", "no")
        assert_waits(url, "is a replica that has lost its master")
        broker.close()
    assert_waits(url, "(connection refused): check that it runs and")
    assert_waits(
        "redis://no.such.host.invalid/0", "Cannot reach Redis at no.such.host.invalid:6379"
    )
    assert_waits(f"unix://{tmp_path}/none.sock", f"Cannot reach Redis at {tmp_path}/none.sock (no")


def says(broker: Broker) -> str:
    """The beginning of what is said of a write by a script."""
    with pytest.raises(BrokerUnavailable) as caught:
        broker.run("reserve_key", key="OOM CROSSSLOT", id="NOPERM", seconds=1, cleanup="cleanup")
    assert not isinstance(caught.value, BrokerUnusable)
    words = str(caught.value).split(" ", 3)[3]
    return re.split(r" \(| takes", words)[0]


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Something that answers always the same; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with near:
                near.recv(65536)
                near.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not Redis"),
        (b"220 mail.example.com ESMTP\r\n", "is not Redis"),
        (b"-DENIED Redis is running in protected mode because ...\r\n", "protected mode"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "is a Redis Cluster"),
        # As Redis 7 says what an ACL forbids inside of a script.
        (
            b"-ERR ACL failure in script: User u has no permissions to run the 'zadd' command\r\n",
            "use the command ZADD",
        ),
    ],
)
def test_what_only_other_servers_say_and_stays(answer: bytes, words: str) -> None:
    with answering(answer) as url:
        assert_unusable(url, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "is still loading"),
        (
            b"-MISCONF Redis is configured to save RDB snapshots, but ...\r\n",
            "cannot write to its disk",
        ),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", "has too few replicas"),
        (b"-BUSY Redis is busy running a script.\r\n", "is busy with a script"),
        (b"", "takes connections without TLS"),
    ],
)
def test_what_only_other_servers_say_and_passes(answer: bytes, words: str) -> None:
    with answering(answer) as url:
        assert_waits(url, words)


def test_tls_where_there_is_none() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert_unusable(url.replace("redis://", "rediss://"), "does not speak TLS")


def test_a_call_of_ours_that_is_wrong_is_not_explained_away(stack: Stack) -> None:
    stack.broker.command("SET", "text", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        stack.broker.commands([("HGET", "text", "OOM CROSSSLOT NOPERM")])


def test_every_command_that_is_sent_is_tried_beforehand(stack: Stack) -> None:
    files = [*(ROOT / "producer").glob("*.py"), *(ROOT / "producer" / "backend").glob("*.py")]
    sources = [path.read_text() for path in files]
    calls = "".join(source for source in sources if re.search(r"import .*Broker\n", source))
    sent = set(re.findall(r'\(\[?\(?"([A-Z]{3,})"', calls))
    assert "HGETALL" in sent
    assert sent - {"INFO", "BRPOP"} <= set(DIRECT_COMMANDS)
    assert {"ZADD", "XADD", "HSET"} <= stack.broker.script_commands()
