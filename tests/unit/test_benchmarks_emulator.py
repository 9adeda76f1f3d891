"""The bodies of S3 requests in the emulator of benchmarks, and what it loads."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import zlib

import pytest

from benchmarks.emulator import bodies
from localaws.errors import ServiceError

BODY = b"0123456789"
STREAM = {"HTTP_X_AMZ_CONTENT_SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4)).decode()
SHA1 = base64.b64encode(hashlib.sha1(BODY, usedforsecurity=False).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
MD5 = base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()


def environ(body: bytes, **headers: str) -> dict[str, object]:
    return {"wsgi.input": io.BytesIO(body), **headers}


def refusal(body: bytes, **headers: str) -> str:
    with pytest.raises(ServiceError) as error:
        bodies.read(environ(body, **headers))
    return error.value.code


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_AMZ_CHECKSUM_CRC32": CRC32},
        {"HTTP_X_AMZ_CHECKSUM_SHA1": SHA1},
        {"HTTP_X_AMZ_CHECKSUM_SHA256": SHA256},
        {"HTTP_CONTENT_MD5": MD5},
        {"HTTP_X_AMZ_CONTENT_SHA256": hashlib.sha256(BODY).hexdigest()},
        {"HTTP_X_AMZ_CONTENT_SHA256": "UNSIGNED-PAYLOAD"},
    ],
)
def test_a_body_must_have_its_checksum(headers: dict[str, str]) -> None:
    assert bodies.read(environ(BODY, **headers)) == BODY
    if headers != {"HTTP_X_AMZ_CONTENT_SHA256": "UNSIGNED-PAYLOAD"}:
        assert refusal(b"012345678", **headers) in {"BadDigest", "XAmzContentSHA256Mismatch"}


def test_a_stream_is_read_without_its_frames_and_checked() -> None:
    stream = b"3\r\n012\r\n7\r\n3456789\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n"
    request = environ(stream % CRC32.encode(), **STREAM)

    assert bodies.read(request) == BODY
    assert bodies.checksums(request) == {"CRC32": CRC32}
    assert refusal(stream % b"AAAAAA==", **STREAM) == "BadDigest"
    assert refusal(stream % CRC32.encode(), **STREAM, HTTP_X_AMZ_DECODED_CONTENT_LENGTH="9") == (
        "IncompleteBody"
    )


@pytest.mark.parametrize("body", [b"", b"3\r\nab", b"3\r\nabcd\r\n0\r\n", b"x\r\nabc\r\n"])
def test_a_stream_that_breaks_off_is_refused(body: bytes) -> None:
    assert refusal(body, **STREAM) == "IncompleteBody"


def test_what_cannot_be_checked_is_not_implemented() -> None:
    trailer = b"0\r\nx-amz-checksum-crc64nvme:AAAA\r\n\r\n"

    assert refusal(trailer, **STREAM) == "NotImplemented"
    assert refusal(b"", HTTP_X_AMZ_CONTENT_SHA256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD") == (
        "NotImplemented"
    )


def test_it_loads_no_moto() -> None:
    code = (
        "import sys; from tests.emulator.server import serve;"
        "from benchmarks.emulator.server import serving_in_loop as loop;"
        "from benchmarks.emulator.services import in_memory;"
        "serving = serve(recogniser='fixed:0', backend=in_memory, server=loop);"
        "serving.__enter__();"
        "serving.__exit__(None, None, None);"
        "print(sorted({'moto', 'flask', 'werkzeug'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert run.stdout.strip() == "[]"
