"""Bodies in `aws-chunked`, as boto3 streams them with a checksum at the end.

Each chunk is `SIZE[;chunk-signature=…] CRLF DATA CRLF`, the last has the size 0, and the trailing
headers follow it (Amazon S3 API reference, "Signature calculations with trailing headers").
"""

from typing import Any

from localaws.errors import ServiceError


def decoded(environ: dict[str, Any]) -> bytes:
    """The body of a WSGI request, decoded if it is in aws-chunked.

    Trailing checksums are put in the environ like the headers they replace. Raises ServiceError.
    """
    body: bytes = environ["wsgi.input"].read()
    streamed = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "").startswith("STREAMING-")
    if not streamed and "aws-chunked" not in environ.get("HTTP_CONTENT_ENCODING", ""):
        return body
    try:
        content, trailer = _split(body)
    except ValueError as error:
        raise ServiceError(
            "IncompleteBody", "The body is not what aws-chunked says it is.", 400
        ) from error
    for line in trailer.decode("latin-1").split("\r\n"):
        name, separator, value = line.partition(":")
        if separator:
            environ["HTTP_" + name.strip().upper().replace("-", "_")] = value.strip()
    return content


def _split(body: bytes) -> tuple[bytes, bytes]:
    """Content and trailing headers. Raises ValueError."""
    chunks: list[bytes] = []
    position = 0
    while True:
        line_end = body.index(b"\r\n", position)
        size = int(body[position:line_end].partition(b";")[0], 16)
        position = line_end + 2
        if size == 0:
            return b"".join(chunks), body[position:]
        chunk = body[position : position + size]
        if len(chunk) < size or body[position + size : position + size + 2] != b"\r\n":
            raise ValueError
        chunks.append(chunk)
        position += size + 2
