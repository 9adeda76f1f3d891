"""What GetTranscriptionJob says of a job, as the fields of the request that asked for it.

The reverse of `parameters`, as far as the service repeats what it got; it does not say how the
results are encrypted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from worker.aws.parameters import OF_A_LANGUAGE, PATHS

if TYPE_CHECKING:
    from mypy_boto3_transcribe.type_defs import TranscriptionJobTypeDef

#: Where the service has our fields, as paths into its answer.
_PATHS: dict[str, tuple[str, ...]] = {
    **PATHS,
    "identify_multiple_languages": ("IdentifyMultipleLanguages",),
    "allow_deferred_execution": ("JobExecutionSettings", "AllowDeferredExecution"),
    "data_access_role_arn": ("JobExecutionSettings", "DataAccessRoleArn"),
}


def options_of(job: TranscriptionJobTypeDef) -> dict[str, object]:
    """Language and options of a job, without what the service itself finds out: format and rate."""
    found = {name: _at(job, path) for name, path in _PATHS.items()}
    found["language"] = _language(job)
    found["toxicity_detection"] = bool(job.get("ToxicityDetection"))
    found["language_id_settings"] = {
        str(code): {ours: each.get(theirs) for ours, theirs in OF_A_LANGUAGE.items()}
        for code, each in job.get("LanguageIdSettings", {}).items()
    }
    if redaction := job.get("ContentRedaction"):
        found["content_redaction"] = {
            "redaction_type": redaction["RedactionType"],
            "redaction_output": redaction["RedactionOutput"],
            "pii_entity_types": redaction.get("PiiEntityTypes", []),
        }
    if (subtitles := job.get("Subtitles")) and subtitles.get("Formats"):
        found["subtitles"] = {
            "formats": subtitles["Formats"],
            "output_start_index": subtitles.get("OutputStartIndex", 0),
        }
    found["tags"] = {tag["Key"]: tag["Value"] for tag in job.get("Tags", [])}
    return {name: value for name, value in found.items() if value not in (None, False, {})}


def _language(job: TranscriptionJobTypeDef) -> object:
    if job.get("IdentifyLanguage") or job.get("IdentifyMultipleLanguages"):
        # The language that it found was not in the request.
        return job.get("LanguageOptions") or "auto"
    return job.get("LanguageCode")


def _at(job: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = job
    for step in path:
        value = value.get(step) if value else None
    return value
