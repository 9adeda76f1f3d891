"""Jobs as the answers of Start, Get and List describe them. Call under the job table's lock."""

from functools import cache
from typing import Any

from localaws.transcribe import outputs, validation
from localaws.transcribe.jobs import Job

Json = dict[str, Any]

_DEFAULT_SETTINGS = {"ChannelIdentification": False, "ShowAlternatives": False}


def for_start(job: Job) -> Json:
    """A TranscriptionJob, as Start answers it."""
    record = _state(job)
    record.update(_known_to("TranscriptionJob", job.request | job.found))
    if job.status == "COMPLETED":
        record["Transcript"] = {
            name: job.location.uri(key) for name, key in outputs.document_keys(job).items()
        }
    if "Subtitles" in job.request:
        record["Subtitles"] = {
            "OutputStartIndex": 0,
            **job.request["Subtitles"],
            "SubtitleFileUris": job.subtitle_uris,
        }
    return record


def for_get(job: Job) -> Json:
    """A TranscriptionJob, as Get answers it: with default settings and a Transcript."""
    record = for_start(job)
    record["Settings"] = {**_DEFAULT_SETTINGS, **record.get("Settings", {})}
    return {"Transcript": {}, **record}


def for_list(job: Job) -> Json:
    """A TranscriptionJobSummary, as List answers it: without the transcript's address."""
    record = _state(job)
    record.update(_known_to("TranscriptionJobSummary", job.request | job.found))
    record["OutputLocationType"] = (
        "SERVICE_BUCKET" if job.location.service_bucket else "CUSTOMER_BUCKET"
    )
    return record


def _known_to(shape: str, values: Json) -> Json:
    """Those of the values that AWS's model has in a shape."""
    return {name: value for name, value in values.items() if name in _members(shape)}


@cache
def _members(shape: str) -> frozenset[str]:
    return frozenset(validation.service_model().shape_for(shape).members)  # type: ignore[attr-defined]


def _state(job: Job) -> Json:
    record: Json = {
        "TranscriptionJobName": job.name,
        "TranscriptionJobStatus": job.status,
        "CreationTime": _milliseconds(job.created),
        "StartTime": _milliseconds(job.started),
        # A FAILED job has no CompletionTime.
        "CompletionTime": None if job.status == "FAILED" else _milliseconds(job.completed),
        "FailureReason": job.failure_reason,
    }
    return {name: value for name, value in record.items() if value is not None}


def _milliseconds(moment: float | None) -> float | None:
    """Seconds since the epoch, to the millisecond, as the service writes them."""
    return None if moment is None else round(moment, 3)
