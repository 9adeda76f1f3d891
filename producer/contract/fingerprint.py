"""Fingerprints: equal where one transcript serves two jobs, so that only one is paid for."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

from producer.contract.request import TranscriptionRequest

#: Fields of a request that change nothing of what Transcribe hears or writes: where the audio and
#: the results are, what is made of the document, and when and for whom it is done.
NOT_HEARD = frozenset(
    {
        "audio",
        "name",
        "key",
        "formats",
        "output",
        "cleanup",
        "priority",
        "deadline",
        "metadata",
        "fresh",
        "tags",
        "allow_deferred_execution",
    }
)


def fingerprint(
    content: str,
    request: TranscriptionRequest,
    changed_at: Mapping[str, str],
    tenant: str | None,
) -> str:
    """The fingerprint of a job: a SHA-256, in 43 characters of base64.

    Args:
        content: what identifies the bytes of the audio, as a worker has read or seen them.
        request: the job's; each field that is not in `NOT_HEARD` counts.
        changed_at: when each vocabulary, filter and model that the request names was changed last.
        tenant: the job's, if results are reused within one tenant only; None if among all.
    """
    # A tenant is a part of it, so that no other tenant's job can ever have the same.
    parts = {
        "content": content,
        "options": request.model_dump(mode="json", exclude_defaults=True, exclude=set(NOT_HEARD)),
        "changed_at": dict(changed_at),
        "tenant": tenant,
    }
    packed = json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()
    return urlsafe_b64encode(sha256(packed).digest()).decode().rstrip("=")
