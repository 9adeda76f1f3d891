"""A Redis set up as a test wants it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from producer.cli.sandbox.redis_server import redis_program
from tests.support.waiting import until

#: A node of a Cluster has a second port, so many above.
_BUS = 10000
_MAX_PORT = 65535


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[int]:
    """A Redis with further options, whose data is in a folder; gives its port."""
    port = _free_port()
    data = folder / f"redis-{port}"
    data.mkdir()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--save", ""]
    process = subprocess.Popen([redis_program(), *words, *options], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            until(lambda: _answers(client))
        yield port
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port + _BUS <= _MAX_PORT:
            return port


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except redis.ConnectionError:
        return False
