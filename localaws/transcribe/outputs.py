"""A job's result files in S3: their keys, access, writing."""

import json
from typing import Any

from localaws.s3.objects import SERVICE_BUCKET, ObjectStore
from localaws.transcribe import document
from localaws.transcribe.jobs import Job
from localaws.transcribe.speech import Recognition
from localaws.transcribe.subtitles import CONTENT_TYPES, subtitles

Json = dict[str, Any]

_ACCESS_CHECK = ".write_access_check_file.temp"
#: The names of the documents in a job's record.
_OPEN, _REDACTED = "TranscriptFileUri", "RedactedTranscriptFileUri"


def resolve_key(job_name: str, output_key: str | None) -> str:
    """The document's key, from OutputKey as the API reference of StartTranscriptionJob says.

    A key that ends in `.json` is the document's own; any other is a folder for `<job>.json`.
    """
    if output_key is None:
        return f"{job_name}.json"
    if output_key.endswith(".json"):
        return output_key
    return f"{output_key.rstrip('/')}/{job_name}.json"


def document_keys(job: Job) -> dict[str, str]:
    """The keys of all documents of a job, under the names that its record has for them."""
    key = job.location.key
    redaction = job.request.get("ContentRedaction")
    if redaction is None:
        return {_OPEN: key}
    folder, slash, name = key.rpartition("/")
    keys = {_REDACTED: f"{folder}{slash}redacted-{name}"}
    if redaction["RedactionOutput"] == "redacted_and_unredacted":
        keys[_OPEN] = key
    return keys


def check_access(store: ObjectStore, bucket: str, key: str) -> None:
    """Write the empty file with which the service checks that it may write there.

    Raises LookupError where the bucket is missing.
    """
    if bucket == SERVICE_BUCKET:
        store.create_bucket(bucket)
        return
    folder = key.rpartition("/")[0]
    path = f"{folder}/{_ACCESS_CHECK}" if folder else _ACCESS_CHECK
    store.write(bucket, path, b"", "binary/octet-stream")


def write(store: ObjectStore, job: Job, recognition: Recognition) -> list[str]:
    """Write every document and the requested subtitles. Returns the subtitles' URIs.

    Raises LookupError where the bucket is missing.
    """
    documents = {
        key: document.build(job.name, job.request, recognition, redacted=name == _REDACTED)
        for name, key in document_keys(job).items()
    }
    uris = [
        uri for key, each in documents.items() for uri in _write_subtitles(store, job, key, each)
    ]
    # Last: once the document is there, so is everything else.
    for key, each in documents.items():
        body = json.dumps(each, ensure_ascii=False).encode()
        store.write(job.location.bucket, key, body, "application/json", _kms_key(job))
    return uris


def _write_subtitles(store: ObjectStore, job: Job, key: str, document_: Json) -> list[str]:
    """The subtitles of one document, which has that key. Without speech there are none (Transcribe
    developer guide, "Creating video subtitles").
    """
    if not document_["results"]["items"]:
        return []
    requested = job.request.get("Subtitles", {})
    uris = []
    for kind in dict.fromkeys(requested.get("Formats", ())):
        text = subtitles(kind, document_, requested.get("OutputStartIndex", 0))
        path = f"{key.removesuffix('.json')}.{kind}"
        store.write(job.location.bucket, path, text.encode(), CONTENT_TYPES[kind], _kms_key(job))
        uris.append(job.location.uri(path))
    return uris


def _kms_key(job: Job) -> str | None:
    return job.request.get("OutputEncryptionKMSKeyId")
