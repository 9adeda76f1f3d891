"""Where a job's results go, and putting them there."""

import json
from threading import Timer
from typing import Any

from localaws.faults import Fault
from localaws.jobs import Job
from localaws.objects import SERVICE_BUCKET, ObjectStore
from localaws.subtitles import CONTENT_TYPES, subtitles

Json = dict[str, Any]

_ACCESS_CHECK = ".write_access_check_file.temp"


def resolve_key(job_name: str, output_key: str | None) -> str:
    """The document's key, from OutputKey as the API reference of StartTranscriptionJob says.

    A key that ends in `.json` is the document's own; any other is a folder for `<job>.json`.
    """
    if output_key is None:
        return f"{job_name}.json"
    if output_key.endswith(".json"):
        return output_key
    return f"{output_key.rstrip('/')}/{job_name}.json"


def check_access(store: ObjectStore, bucket: str, key: str) -> None:
    """Write the empty file that the service leaves beside a document to see that it may.

    Raises LookupError where the bucket is missing.
    """
    if bucket == SERVICE_BUCKET:
        store.create_bucket(bucket)
        return
    folder = key.rpartition("/")[0]
    path = f"{folder}/{_ACCESS_CHECK}" if folder else _ACCESS_CHECK
    store.write(bucket, path, b"", "binary/octet-stream")


def write_outputs(
    store: ObjectStore, job: Job, document: Json, fault: Fault | None = None
) -> list[str]:
    """Put the document and the subtitles asked for. Returns the subtitles' URIs.

    A fault spoils the document, for good or for its seconds. Raises LookupError where the bucket is
    gone.
    """
    bucket, key = job.location.bucket, job.location.key
    kms_key = job.request.get("OutputEncryptionKMSKeyId")
    asked = job.request.get("Subtitles", {})
    uris = []
    for kind in dict.fromkeys(asked.get("Formats", ())):
        text = subtitles(kind, document, asked.get("OutputStartIndex", 0))
        path = f"{key.removesuffix('.json')}.{kind}"
        store.write(bucket, path, text.encode(), CONTENT_TYPES[kind], kms_key)
        uris.append(job.location.uri(path))
    # Last, so that whoever finds the document finds everything.
    body = json.dumps(document, ensure_ascii=False).encode()
    spoilt = _spoilt(body, fault.kind) if fault else body
    if spoilt is not None:
        store.write(bucket, key, spoilt, "application/json", kms_key)
    if fault and fault.seconds:
        mend = Timer(fault.seconds, store.write, (bucket, key, body, "application/json", kms_key))
        mend.daemon = True
        mend.start()
    return uris


def _spoilt(body: bytes, kind: str) -> bytes | None:
    if kind == "truncated_result":
        return body[: len(body) // 2]
    return b"<html>This is no transcript.</html>" if kind == "not_json" else None
