"""How the service describes a job: the full record and the one in lists.

Call with the job table's lock held.
"""

from typing import Any

from localaws.jobs import Job

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
)
_ECHOED_IN_LISTS = (
    "LanguageCode",
    "ContentRedaction",
    "ModelSettings",
    "IdentifyLanguage",
    "IdentifyMultipleLanguages",
    "ToxicityDetection",
)
_FOUND_IN_LISTS = ("LanguageCode", "LanguageCodes", "IdentifiedLanguageScore")


def full_record(job: Job) -> Json:
    """A TranscriptionJob, as Start and Get answer it."""
    record = _state(job)
    record.update((name, job.request[name]) for name in _ECHOED if name in job.request)
    record.update(job.found)
    if job.status == "COMPLETED":
        record["Transcript"] = {"TranscriptFileUri": job.location.uri(job.location.key)}
    if job.tags:
        record["Tags"] = tag_list(job)
    if "Subtitles" in job.request:
        record["Subtitles"] = {
            "OutputStartIndex": 0,
            **job.request["Subtitles"],
            "SubtitleFileUris": job.subtitle_uris,
        }
    return record


def summary(job: Job) -> Json:
    """A TranscriptionJobSummary, as List answers it: it does not say where the transcript is."""
    record = _state(job)
    record.update((name, job.request[name]) for name in _ECHOED_IN_LISTS if name in job.request)
    record.update((name, job.found[name]) for name in _FOUND_IN_LISTS if name in job.found)
    record["OutputLocationType"] = (
        "SERVICE_BUCKET" if job.location.own_bucket else "CUSTOMER_BUCKET"
    )
    return record


def tag_list(job: Job) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in job.tags.items()]


def _state(job: Job) -> Json:
    record: Json = {
        "TranscriptionJobName": job.name,
        "TranscriptionJobStatus": job.status,
        "CreationTime": job.created,
        "StartTime": job.started,
        "CompletionTime": job.completed,
        "FailureReason": job.failure_reason,
    }
    return {name: value for name, value in record.items() if value is not None}
