"""A request as the parameters of StartTranscriptionJob: everything asked for, and nothing else."""

from typing import Any

import pytest
from botocore.model import StructureShape
from botocore.session import Session
from botocore.validate import ParamValidator

from producer.contract.options import (
    ContentRedaction,
    LanguageIdSettings,
    Subtitles,
    TranscribeOptions,
)
from producer.contract.request import TranscriptionRequest
from producer.contract.s3_uri import S3Uri
from worker.aws.parameters import start_parameters

SERVICE = Session().get_service_model("transcribe")
ARN = "arn:aws:iam::123456789012:role/Transcribe"
ALWAYS = {
    "TranscriptionJobName": "talk-1",
    "Media": {"MediaFileUri": "s3://in/talk.wav"},
    "OutputBucketName": "out",
    "OutputKey": "a/talk-1.json",
}
PLAIN = {**ALWAYS, "LanguageCode": "en-US"}

#: Each option with what it needs besides, and the parameters that AWS gets.
EXPECTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "media_format": ({"media_format": "wav"}, {"MediaFormat": "wav"}),
    "media_sample_rate_hertz": (
        {"media_sample_rate_hertz": 16000},
        {"MediaSampleRateHertz": 16000},
    ),
    "show_speaker_labels": (
        {"show_speaker_labels": True, "max_speaker_labels": 3},
        {"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 3}},
    ),
    "max_speaker_labels": (
        {"show_speaker_labels": True, "max_speaker_labels": 30},
        {"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 30}},
    ),
    "channel_identification": (
        {"channel_identification": True},
        {"Settings": {"ChannelIdentification": True}},
    ),
    "show_alternatives": (
        {"show_alternatives": True, "max_alternatives": 2},
        {"Settings": {"ShowAlternatives": True, "MaxAlternatives": 2}},
    ),
    "max_alternatives": (
        {"show_alternatives": True, "max_alternatives": 10},
        {"Settings": {"ShowAlternatives": True, "MaxAlternatives": 10}},
    ),
    "vocabulary_name": ({"vocabulary_name": "v"}, {"Settings": {"VocabularyName": "v"}}),
    "vocabulary_filter_name": (
        {"vocabulary_filter_name": "f", "vocabulary_filter_method": "mask"},
        {"Settings": {"VocabularyFilterName": "f", "VocabularyFilterMethod": "mask"}},
    ),
    "vocabulary_filter_method": (
        {"vocabulary_filter_method": "tag"},
        {"Settings": {"VocabularyFilterMethod": "tag"}},
    ),
    "language_model_name": (
        {"language_model_name": "m"},
        {"ModelSettings": {"LanguageModelName": "m"}},
    ),
    "language_id_settings": (
        {
            "language": "auto",
            "language_id_settings": {
                "en-US": {
                    "vocabulary_name": "v",
                    "vocabulary_filter_name": "f",
                    "language_model_name": "m",
                }
            },
        },
        {
            "IdentifyLanguage": True,
            "LanguageIdSettings": {
                "en-US": {
                    "VocabularyName": "v",
                    "VocabularyFilterName": "f",
                    "LanguageModelName": "m",
                }
            },
        },
    ),
    "identify_multiple_languages": (
        {"language": ["en-US", "de-DE"], "identify_multiple_languages": True},
        {"IdentifyMultipleLanguages": True, "LanguageOptions": ["en-US", "de-DE"]},
    ),
    "content_redaction": (
        {
            "content_redaction": {
                "redaction_output": "redacted_and_unredacted",
                "pii_entity_types": ["NAME", "SSN"],
            }
        },
        {
            "ContentRedaction": {
                "RedactionType": "PII",
                "RedactionOutput": "redacted_and_unredacted",
                "PiiEntityTypes": ["NAME", "SSN"],
            }
        },
    ),
    "subtitles": (
        {"subtitles": {"formats": ["srt", "vtt"], "output_start_index": 0}},
        {"Subtitles": {"Formats": ["srt", "vtt"], "OutputStartIndex": 0}},
    ),
    "toxicity_detection": (
        {"toxicity_detection": True},
        {"ToxicityDetection": [{"ToxicityCategories": ["ALL"]}]},
    ),
    "output_encryption_kms_key_id": (
        {"output_encryption_kms_key_id": "alias/k"},
        {"OutputEncryptionKMSKeyId": "alias/k"},
    ),
    "kms_encryption_context": (
        {"output_encryption_kms_key_id": "alias/k", "kms_encryption_context": {"a": "b"}},
        {"OutputEncryptionKMSKeyId": "alias/k", "KMSEncryptionContext": {"a": "b"}},
    ),
    "allow_deferred_execution": (
        {"allow_deferred_execution": True, "data_access_role_arn": ARN},
        {"JobExecutionSettings": {"AllowDeferredExecution": True, "DataAccessRoleArn": ARN}},
    ),
    "data_access_role_arn": (
        {"data_access_role_arn": ARN},
        {"JobExecutionSettings": {"AllowDeferredExecution": False, "DataAccessRoleArn": ARN}},
    ),
    "tags": (
        {"tags": {"team": "a", "cost": ""}},
        {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": ""}]},
    ),
}


def structure(name: str) -> StructureShape:
    """A structure of the service by its name."""
    shape = SERVICE.shape_for(name)
    assert isinstance(shape, StructureShape)
    return shape


def parameters(**fields: Any) -> dict[str, Any]:
    request = TranscriptionRequest.parse({"audio": "/talk.wav", **fields})
    made: dict[str, Any] = dict(
        start_parameters(
            request,
            name="talk-1",
            media_uri="s3://in/talk.wav",
            output_uri=S3Uri("s3://out/a/talk-1.json"),
        )
    )
    report = ParamValidator().validate(made, structure("StartTranscriptionJobRequest"))
    assert not report.has_errors(), report.generate_report()
    return made


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    assert parameters() == PLAIN


def test_our_own_fields_stay_with_us() -> None:
    own = {
        "name": "other",
        "key": "in/other.wav",
        "formats": ["srt", "vtt"],
        "output": "there",
        "cleanup": True,
        "priority": 0,
        "deadline": 60,
        "metadata": {"a": 1},
    }

    assert parameters(**own) == PLAIN


def test_every_option_has_a_test() -> None:
    assert set(EXPECTED) == set(TranscribeOptions.model_fields)


@pytest.mark.parametrize("option", TranscribeOptions.model_fields)
def test_each_option_is_sent_under_its_name(option: str) -> None:
    asked, fields = EXPECTED[option]
    assert option in asked

    expected = {**(ALWAYS if "language" in asked else PLAIN), **fields}
    assert parameters(**asked) == expected


@pytest.mark.parametrize("option", TranscribeOptions.model_fields)
def test_each_option_makes_a_difference(option: str) -> None:
    asked, _ = EXPECTED[option]
    request = TranscriptionRequest.parse({"audio": "/talk.wav", **asked})
    without = request.model_copy(
        update={option: TranscribeOptions.model_fields[option].get_default()}
    )

    sent = [
        start_parameters(each, name="n", media_uri="s3://in/a", output_uri=S3Uri("s3://out/b.json"))
        for each in (request, without)
    ]
    assert sent[0] != sent[1]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (ContentRedaction, "ContentRedaction"),
        (Subtitles, "Subtitles"),
        (LanguageIdSettings, "LanguageIdSettings"),
    ],
)
def test_the_parts_of_an_option_are_those_of_the_service(value: Any, shape: str) -> None:
    members = structure(shape).members
    ours = {name.replace("_", "") for name in value.model_fields}

    assert ours == {name.lower() for name in members}


def test_every_parameter_of_the_service_is_within_reach() -> None:
    sent = {"LanguageCode", *ALWAYS} | {name for _, fields in EXPECTED.values() for name in fields}

    assert set(structure("StartTranscriptionJobRequest").members) == sent
    settings = {name for _, fields in EXPECTED.values() for name in fields.get("Settings", {})}
    assert set(structure("Settings").members) == settings


@pytest.mark.parametrize(
    ("language", "fields"),
    [
        ("de-DE", {"LanguageCode": "de-DE"}),
        ("auto", {"IdentifyLanguage": True}),
        (
            ["en-US", "de-DE"],
            {"IdentifyLanguage": True, "LanguageOptions": ["en-US", "de-DE"]},
        ),
    ],
)
def test_exactly_one_way_to_the_language_is_sent(language: Any, fields: dict[str, Any]) -> None:
    assert parameters(language=language) == {**ALWAYS, **fields}


def test_settings_by_language_are_sent_whatever_the_language() -> None:
    asked = {"language_id_settings": {"en-US": {"vocabulary_name": "v"}}}
    fields = {"LanguageIdSettings": {"en-US": {"VocabularyName": "v"}}}

    assert parameters(**asked) == {**PLAIN, **fields}
    assert parameters(language="auto", **asked) == {**ALWAYS, "IdentifyLanguage": True, **fields}


def test_redaction_of_everything_names_no_types() -> None:
    assert parameters(content_redaction={})["ContentRedaction"] == {
        "RedactionType": "PII",
        "RedactionOutput": "redacted",
    }
