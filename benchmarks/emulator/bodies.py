"""Bodies of S3 requests: decodes them, and checks every length and checksum of the request.

boto3 streams bodies over TLS in `aws-chunked`: each chunk is `SIZE CRLF DATA CRLF`, the last has
the size 0, and the trailing headers follow it (Amazon S3 API reference, "Signature calculations
with trailing headers").
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib

from localaws.errors import ServiceError
from localaws.http.server import Environ

_CHECKSUM = "HTTP_X_AMZ_CHECKSUM_"
_DIGESTS = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4),
    "SHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}
#: The headers of checksums that can be checked.
CHECKSUM_HEADERS = frozenset(_CHECKSUM + name for name in _DIGESTS)
_SHA256 = re.compile("[0-9a-f]{64}")
_UNSIGNED_STREAM = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def read(environ: Environ) -> bytes:
    """The body of a request. A trailing checksum moves into the environ, as if it were a header.

    Raises ServiceError for a length, hash or checksum that is not the body's.
    """
    body: bytes = environ["wsgi.input"].read()
    stated_hash = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if stated_hash == _UNSIGNED_STREAM:
        body = _decoded(body, environ)
    elif stated_hash.startswith("STREAMING-"):
        raise ServiceError("NotImplemented", f"This emulator cannot check {stated_hash}.", 501)
    elif _SHA256.fullmatch(stated_hash) and hashlib.sha256(body).hexdigest() != stated_hash:
        raise ServiceError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            400,
        )
    if environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH", str(len(body))) != str(len(body)):
        raise _incomplete()
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    if environ.get("HTTP_CONTENT_MD5", md5) != md5:
        raise _bad_digest("Content-MD5")
    check(checksums(environ), body)
    return body


def check(stated: dict[str, str], body: bytes) -> None:
    """Compare checksums, by algorithm and in base64, with a body. Raises ServiceError."""
    for name, value in stated.items():
        if name not in _DIGESTS:
            raise ServiceError("NotImplemented", f"This emulator cannot check {name}.", 501)
        if base64.b64encode(_DIGESTS[name](body)).decode() != value:
            raise _bad_digest(name)


def checksums(environ: Environ) -> dict[str, str]:
    """The checksums of a request by algorithm, in base64."""
    return {
        header.removeprefix(_CHECKSUM): environ[header]
        for header in CHECKSUM_HEADERS & environ.keys()
    }


def _decoded(body: bytes, environ: Environ) -> bytes:
    """The content of a stream. Raises ServiceError."""
    try:
        content, trailer = _split(body)
    except ValueError as error:
        raise _incomplete() from error
    for line in trailer.decode("latin-1").split("\r\n"):
        name, separator, value = line.partition(":")
        header = "HTTP_" + name.strip().upper().replace("-", "_")
        if separator and header not in CHECKSUM_HEADERS:
            raise ServiceError("NotImplemented", f"This emulator cannot check {name}.", 501)
        if separator:
            environ[header] = value.strip()
    return content


def _split(body: bytes) -> tuple[bytes, bytes]:
    """Content and trailing headers. Raises ValueError."""
    chunks: list[bytes] = []
    position = 0
    while True:
        line_end = body.index(b"\r\n", position)
        size = int(body[position:line_end], 16)
        position = line_end + 2
        if size == 0:
            return b"".join(chunks), body[position:]
        chunk = body[position : position + size]
        if len(chunk) < size or body[position + size : position + size + 2] != b"\r\n":
            raise ValueError
        chunks.append(chunk)
        position += size + 2


def _incomplete() -> ServiceError:
    return ServiceError("IncompleteBody", "The body is not as long as the request says.", 400)


def _bad_digest(name: str) -> ServiceError:
    text = f"The {name} you specified did not match the calculated checksum."
    return ServiceError("BadDigest", text, 400)
