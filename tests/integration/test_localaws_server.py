"""The HTTP server of the emulator, by raw requests and by boto3."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.server import Endpoint
from tests.emulator.server import serve
from tests.support.account import client
from tests.support.waiting import DEADLINE, until

BUCKET = "media"
SIGNED = "AWS4-HMAC-SHA256 Credential=t/20260101/us-east-1/s3/aws4_request, SignedHeaders=x, x"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serve(recogniser="fixed:0", buckets=[BUCKET]) as served:
        yield served


@pytest.fixture
def s3(endpoint: Endpoint) -> Iterator[Any]:
    with closing(client("s3", endpoint.url, region="us-east-1")) as s3:
        yield s3


def connected(endpoint: Endpoint) -> socket.socket:
    return socket.create_connection((endpoint.host, endpoint.port), timeout=DEADLINE)


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_streamed_body_with_a_trailing_checksum_is_stored(
    endpoint: Endpoint, s3: Any, framing: str
) -> None:
    """As boto3 sends it over TLS, which localaws does not speak."""
    streamed = b"5\r\nsound\r\n3\r\n on\r\n0\r\nx-amz-checksum-crc32:g4g9yw==\r\n\r\n"
    if framing == "length":
        length, body = f"Content-Length: {len(streamed)}", streamed
    else:
        length = "Transfer-Encoding: chunked"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(streamed), streamed)
    head = (
        f"PUT /{BUCKET}/streamed HTTP/1.1\r\nHost: {endpoint.host}:{endpoint.port}\r\n"
        f"Expect: 100-continue\r\n{length}\r\nContent-Encoding: aws-chunked\r\n"
        "X-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"
        "X-Amz-Trailer: x-amz-checksum-crc32\r\nX-Amz-Decoded-Content-Length: 8\r\n"
        f"Authorization: {SIGNED}\r\n\r\n"
    )
    with connected(endpoint) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")

    assert s3.get_object(Bucket=BUCKET, Key="streamed")["Body"].read() == b"sound on"


def test_it_answers_requests_that_come_in_pieces_and_several_at_once(endpoint: Endpoint) -> None:
    request = b"GET /_localaws/health HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(endpoint) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.sendall(bytes([byte]))
        connection.sendall(request * 2)
        answers = b""
        while answers.count(b'"ok"') < 3:
            answers += connection.recv(1000)

    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3


def test_it_hangs_up_on_what_is_not_http(endpoint: Endpoint) -> None:
    with connected(endpoint) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(1000) == b""


def test_a_connection_serves_many_requests_refused_and_bodiless_ones_too(
    endpoint: Endpoint, s3: Any
) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"sound")
    connection = HTTPConnection(endpoint.host, endpoint.port, timeout=DEADLINE)
    connection.connect()
    ours = connection.sock.getsockname()
    headers = {"Authorization": SIGNED}
    answers = []
    for method, path, body in (
        ("HEAD", f"/{BUCKET}/k", None),
        ("HEAD", f"/{BUCKET}/none", None),
        ("PUT", "/no-such-bucket/k", b"x" * 1_000_000),
        ("PUT", "/no-such-bucket/k", iter([b"x" * 1_000_000])),
        ("DELETE", f"/{BUCKET}/k", None),
        ("GET", f"/{BUCKET}/k", None),
    ):
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            answer.read()
            answers.append(answer.status)
        assert connection.sock.getsockname() == ours
    connection.close()

    assert answers == [200, 404, 404, 404, 204, 404]


def test_a_fault_answers_a_head_request_without_a_body(endpoint: Endpoint) -> None:
    connection = HTTPConnection(endpoint.host, endpoint.port, timeout=DEADLINE)
    fault = b'[{"kind": "access_denied", "operation": "HeadObject"}]'
    connection.request("POST", "/_localaws/faults", fault)
    connection.getresponse().read()
    for _ in range(2):
        connection.request("HEAD", f"/{BUCKET}/k", headers={"Authorization": SIGNED})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (403, b"")
    connection.close()


def test_an_upload_that_breaks_off_stores_nothing(endpoint: Endpoint, s3: Any) -> None:
    head = (
        f"PUT /{BUCKET}/broken HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        f"Authorization: {SIGNED}\r\n\r\n"
    )
    with connected(endpoint) as connection:
        connection.sendall(head.encode() + b"x" * 500)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)

    assert not answer.startswith(b"HTTP/1.1 200 ")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=BUCKET, Key="broken")


def test_large_bodies_pass_both_ways(s3: Any) -> None:
    content = bytes(range(256)) * 200_000  # 51 MB

    s3.put_object(Bucket=BUCKET, Key="large", Body=content)

    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == content


def test_names_of_metadata_keep_their_underscores(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"", Metadata={"a_b": "1", "c-d": "2"})

    assert s3.head_object(Bucket=BUCKET, Key="k")["Metadata"] == {"a_b": "1", "c-d": "2"}


def test_an_encoded_slash_is_a_slash(endpoint: Endpoint, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="folder/k", Body=b"sound")
    connection = HTTPConnection(endpoint.host, endpoint.port, timeout=DEADLINE)
    connection.request("GET", f"/{BUCKET}/folder%2Fk", headers={"Authorization": SIGNED})

    assert connection.getresponse().read() == b"sound"
    connection.close()


def test_more_connections_stay_open_than_requests_are_served_at_once(endpoint: Endpoint) -> None:
    connections = [
        HTTPConnection(endpoint.host, endpoint.port, timeout=DEADLINE) for _ in range(200)
    ]
    for connection in connections:
        connection.connect()
    sockets = [connection.sock for connection in connections]
    for _ in range(2):
        for connection in connections:
            connection.request("GET", "/_localaws/health")
            with connection.getresponse() as answer:
                assert json.load(answer) == {"status": "ok"}
    assert [connection.sock for connection in connections] == sockets
    for connection in connections:
        connection.close()


def test_requests_that_wait_do_not_delay_the_end() -> None:
    fault = b'[{"kind": "timeout", "seconds": 600}]'
    with serve(recogniser="fixed:0", buckets=[BUCKET]) as endpoint:
        admin = HTTPConnection(endpoint.host, endpoint.port, timeout=DEADLINE)
        admin.request("POST", "/_localaws/faults", fault)
        admin.getresponse().read()
        waiting = [connected(endpoint) for _ in range(5)]
        for connection in waiting:
            connection.sendall(
                f"GET /{BUCKET}/k HTTP/1.1\r\nHost: x\r\nAuthorization: {SIGNED}\r\n\r\n".encode()
            )

        def calls() -> int:
            admin.request("GET", "/_localaws/account")
            return int(
                json.load(admin.getresponse())["calls"].get("GetObject", {"count": 0})["count"]
            )

        until(lambda: calls() == 5)
        admin.close()
        started = time.monotonic()

    assert time.monotonic() - started < 5
    for connection in waiting:
        with suppress(ConnectionResetError):
            assert connection.recv(1000) == b""
        connection.close()
