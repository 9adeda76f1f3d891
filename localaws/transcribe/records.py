"""Jobs as the answers of Start, Get and List describe them. Call under the job table's lock."""

from typing import Any

from localaws.transcribe import outputs
from localaws.transcribe.jobs import Job

Json = dict[str, Any]

_ECHOED = (
    "LanguageCode",
    "MediaSampleRateHertz",
    "MediaFormat",
    "Media",
    "Settings",
    "ModelSettings",
    "JobExecutionSettings",
    "ContentRedaction",
    "IdentifyLanguage",
    "IdentifyMultipleLanguages",
    "LanguageOptions",
    "LanguageIdSettings",
    "ToxicityDetection",
    "Tags",
)
_ECHOED_IN_LISTS = (
    "LanguageCode",
    "ContentRedaction",
    "ModelSettings",
    "IdentifyLanguage",
    "IdentifyMultipleLanguages",
    "ToxicityDetection",
)
_DEFAULT_SETTINGS = {"ChannelIdentification": False, "ShowAlternatives": False}
_FOUND_IN_LISTS = ("LanguageCode", "LanguageCodes", "IdentifiedLanguageScore")


def for_start(job: Job) -> Json:
    """A TranscriptionJob, as Start answers it."""
    record = _state(job)
    record.update((name, job.request[name]) for name in _ECHOED if name in job.request)
    record.update(job.found)
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
    record.update((name, job.request[name]) for name in _ECHOED_IN_LISTS if name in job.request)
    record.update((name, job.found[name]) for name in _FOUND_IN_LISTS if name in job.found)
    record["OutputLocationType"] = (
        "SERVICE_BUCKET" if job.location.service_bucket else "CUSTOMER_BUCKET"
    )
    return record


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
