"""A request as a note on the audio that we upload, so that it outlives the loss of Redis."""

from __future__ import annotations

import base64
import json
import zlib

#: S3 takes 2 KB of user metadata in all, names and the owner's mark among it.
_MAX_CHARACTERS = 1500
#: What a note of that size could be blown up to by somebody else has no end.
_MAX_BYTES = 1024 * 1024


def encode(request: str) -> str:
    """A request's canonical JSON as ASCII; '' if that would be too long for a note."""
    note = base64.b64encode(zlib.compress(request.encode(), 9)).decode()
    return note if len(note) <= _MAX_CHARACTERS else ""


def decode(note: str | None) -> dict[str, object] | None:
    """The fields of the request that was noted; None if there is no note, or it is none of ours."""
    try:
        packed = base64.b64decode(note or "", validate=True)
        fields = json.loads(zlib.decompressobj().decompress(packed, _MAX_BYTES))
    except (ValueError, RecursionError, zlib.error):
        return None
    return fields if isinstance(fields, dict) else None
