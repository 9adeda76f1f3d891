"""What identifies content: the ETag that S3 gives to it, and its SHA-256."""

import hashlib
from io import BufferedReader

from worker.aws.transfer import PART_BYTES


def content_etag(file: BufferedReader, *, multipart: bool) -> str:
    """The ETag of a file's content, uploaded whole or in our parts.

    Source: the S3 user guide: MD5 of the content, or of the parts' MD5s with their number.
    """
    file.seek(0)
    if not multipart:
        return hashlib.file_digest(file, _md5).hexdigest()
    parts = []
    while part := file.read(PART_BYTES):
        parts.append(_md5(part).digest())
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)


def content_sha256(file: BufferedReader) -> str:
    """The SHA-256 of a file's content, in hex."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
