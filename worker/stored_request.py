"""The request that is stored with the audio in S3, from which `transcribe recover` reads it."""

import base64
import json
import zlib

#: S3 allows 2 KB of object metadata in all, names and the owner among it.
_MAX_CHARACTERS = 1500
#: Others may have written it, and compressed data may expand without end.
_MAX_BYTES = 1024 * 1024


def encode(request: str) -> str:
    """A request's canonical JSON as ASCII; '' if that would be too long for S3."""
    encoded = base64.b64encode(zlib.compress(request.encode(), 9)).decode()
    return encoded if len(encoded) <= _MAX_CHARACTERS else ""


def decode(stored: str | None) -> dict[str, object] | None:
    """The fields of the request; None if nothing is stored, or it is not ours."""
    try:
        packed = base64.b64decode(stored or "", validate=True)
        fields = json.loads(zlib.decompressobj().decompress(packed, _MAX_BYTES))
    except (ValueError, RecursionError, zlib.error):
        return None
    return fields if isinstance(fields, dict) else None
