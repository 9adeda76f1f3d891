"""A request as the parameters of StartTranscriptionJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from producer.contract.request import TranscriptionRequest
from producer.contract.s3_uri import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_transcribe.type_defs import StartTranscriptionJobRequestTypeDef


#: Our options, and where StartTranscriptionJob has them and GetTranscriptionJob repeats them.
PATHS: dict[str, tuple[str, str]] = {
    "show_speaker_labels": ("Settings", "ShowSpeakerLabels"),
    "max_speaker_labels": ("Settings", "MaxSpeakerLabels"),
    "channel_identification": ("Settings", "ChannelIdentification"),
    "show_alternatives": ("Settings", "ShowAlternatives"),
    "max_alternatives": ("Settings", "MaxAlternatives"),
    "vocabulary_name": ("Settings", "VocabularyName"),
    "vocabulary_filter_name": ("Settings", "VocabularyFilterName"),
    "vocabulary_filter_method": ("Settings", "VocabularyFilterMethod"),
    "language_model_name": ("ModelSettings", "LanguageModelName"),
}
#: The same of one language that the service may identify.
OF_A_LANGUAGE = {
    "vocabulary_name": "VocabularyName",
    "vocabulary_filter_name": "VocabularyFilterName",
    "language_model_name": "LanguageModelName",
}


def start_parameters(
    request: TranscriptionRequest, *, name: str, media_uri: str, output_uri: S3Uri
) -> StartTranscriptionJobRequestTypeDef:
    """All that StartTranscriptionJob gets.

    OutputBucketName and an OutputKey that ends in `.json` are always sent: other forms resolve
    differently, and with our own key no call is needed to learn where the result is.
    """
    parameters: dict[str, Any] = {
        "TranscriptionJobName": name,
        "Media": {"MediaFileUri": media_uri},
        "OutputBucketName": output_uri.bucket,
        "OutputKey": output_uri.key,
        **_language(request),
        "MediaFormat": request.media_format,
        "MediaSampleRateHertz": request.media_sample_rate_hertz,
        "OutputEncryptionKMSKeyId": request.output_encryption_kms_key_id,
        "KMSEncryptionContext": request.kms_encryption_context,
        "Settings": _group(request, "Settings"),
        "ModelSettings": _group(request, "ModelSettings"),
        "ToxicityDetection": [{"ToxicityCategories": ["ALL"]}]
        if request.toxicity_detection
        else [],
        "LanguageIdSettings": {
            code: _filled(
                **{theirs: getattr(settings, ours) for ours, theirs in OF_A_LANGUAGE.items()}
            )
            for code, settings in request.language_id_settings.items()
        },
        "Tags": [{"Key": key, "Value": value} for key, value in request.tags.items()],
    }
    if redaction := request.content_redaction:
        parameters["ContentRedaction"] = _filled(
            RedactionType=redaction.redaction_type,
            RedactionOutput=redaction.redaction_output,
            PiiEntityTypes=list(redaction.pii_entity_types),
        )
    if request.data_access_role_arn is not None:
        # Both or neither, and some accounts need the role though nothing is deferred.
        parameters["JobExecutionSettings"] = {
            "AllowDeferredExecution": request.allow_deferred_execution,
            "DataAccessRoleArn": request.data_access_role_arn,
        }
    if subtitles := request.subtitles:
        parameters["Subtitles"] = {
            "Formats": list(subtitles.formats),
            "OutputStartIndex": subtitles.output_start_index,
        }
    return cast("StartTranscriptionJobRequestTypeDef", _filled(**parameters))


def _group(request: TranscriptionRequest, group: str) -> dict[str, Any]:
    return _filled(
        **{name: getattr(request, ours) for ours, (of, name) in PATHS.items() if of == group}
    )


def _language(request: TranscriptionRequest) -> dict[str, Any]:
    if request.one_language is not None:
        return {"LanguageCode": request.one_language}
    identify = (
        "IdentifyMultipleLanguages" if request.identify_multiple_languages else "IdentifyLanguage"
    )
    return _filled(
        **{identify: True},
        LanguageOptions=[] if request.language == "auto" else list(request.language),
    )


def _filled(**values: Any) -> dict[str, Any]:
    """Only what is asked for: to the service absent and empty differ."""
    return {name: value for name, value in values.items() if value not in (None, False, "", [], {})}
