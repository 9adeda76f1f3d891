"""Requests as metadata of the audio: whole, bounded, and trusted in nothing."""

from __future__ import annotations

import base64
import random
import string
import zlib

import pytest

from producer.contract.request import TranscriptionRequest
from worker import stored_request


def test_a_request_comes_back_as_it_was() -> None:
    request = TranscriptionRequest(
        audio="/audio/Zoë.wav",
        name="zoe",
        formats=("srt", "txt"),
        language=("en-US", "de-DE"),
        metadata={"customer": "Zoë", "deep": [{"a": None}]},
    )
    encoded = stored_request.encode(request.canonical())
    assert encoded.isascii()
    fields = stored_request.decode(encoded)
    assert TranscriptionRequest.parse(fields) == request
    assert TranscriptionRequest.parse(fields).canonical() == request.canonical()


def test_what_is_too_long_for_s3_is_left_out() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    text = "".join(chance.choices(string.ascii_letters, k=4000))
    assert stored_request.encode(text) == ""
    # Names and the owner's mark take the rest of 2 KB.
    longest = max((stored_request.encode(text[:n]) for n in range(1000, 1600)), key=len)
    marks = len("transcribe-queue-job") + 190 + len("transcribe-queue-request")
    assert 1400 < len(longest) <= 2048 - marks


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "not base64!",
        base64.b64encode(b"no zlib").decode(),
        base64.b64encode(zlib.compress(b"no JSON")).decode(),
        base64.b64encode(zlib.compress(b'["no object"]')).decode(),
        base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
        base64.b64encode(zlib.compress(b"\xff\xfe")).decode(),
        base64.b64encode(zlib.compress(b" " * 50_000_000)).decode(),
    ],
    ids=lambda note: str(note)[:20],
)
def test_metadata_that_is_not_ours_is_none(metadata: str | None) -> None:
    assert stored_request.decode(metadata) is None
