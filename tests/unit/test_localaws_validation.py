"""What StartTranscriptionJob refuses at once."""

from typing import Any

import pytest

from localaws.errors import ServiceError
from localaws.transcribe import media_uri
from localaws.transcribe.outputs import resolve_key
from localaws.transcribe.unsupported_requests import unsupported_language, unsupported_options
from localaws.transcribe.validation import MAX_MEDIA_BYTES, check_media, check_shape, check_start

GOOD_MEDIA = {"MediaFileUri": "s3://bucket/key.wav"}
GOOD = {
    "TranscriptionJobName": "a-job_1.x",
    "Media": GOOD_MEDIA,
    "LanguageCode": "en-US",
}
ROLE = "arn:aws:iam::123456789012:role/Transcribe"
BOTH_CHANNELS = {"ChannelIdentification": True}
IDENTIFY = {"LanguageCode": ..., "IdentifyLanguage": True}


def check(changes: dict[str, Any]) -> None:
    request = {k: v for k, v in {**GOOD, **changes}.items() if v is not ...}
    check_shape("StartTranscriptionJob", request)
    check_start(request)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        IDENTIFY,
        {**IDENTIFY, "LanguageOptions": ["en-US", "de-DE"]},
        {"LanguageCode": ..., "IdentifyMultipleLanguages": True},
        {"MediaFormat": "m4a", "MediaSampleRateHertz": 8000},
        {"OutputBucketName": "bucket", "OutputKey": "a/b-c_d.!*'()/e.json"},
        {"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 30}},
        {"Settings": {"ShowSpeakerLabels": False, "ShowAlternatives": False}},
        {"Settings": {"ShowAlternatives": True, "MaxAlternatives": 2}},
        {"JobExecutionSettings": {"AllowDeferredExecution": True, "DataAccessRoleArn": ROLE}},
        {"Subtitles": {"Formats": ["srt", "vtt"], "OutputStartIndex": 1}},
        {"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(50)]},
        {"JobExecutionSettings": {"AllowDeferredExecution": False, "DataAccessRoleArn": ROLE}},
        {"Media": {"MediaFileUri": "s3://bucket/a?b#c d.wav"}},
        {"Media": {"MediaFileUri": "https://bucket.s3.eu-west-1.amazonaws.com/a.wav"}},
        # Requests that the service accepts, or that no document says it refuses.
        {"Settings": {"VocabularyFilterMethod": "mask"}},
        {"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 2} | BOTH_CHANNELS},
        {**IDENTIFY, "LanguageIdSettings": {"en-US": {"VocabularyName": "v"}}},
        {
            **IDENTIFY,
            "LanguageIdSettings": {"en-US": {"VocabularyFilterName": "f"}},
            "Settings": {"VocabularyFilterMethod": "tag"},
        },
        {
            **IDENTIFY,
            "LanguageOptions": ["en-US", "de-DE"],
            "LanguageIdSettings": {"fr-FR": {"VocabularyName": "v"}},
        },
        {**IDENTIFY, "LanguageOptions": ["en-US", "en-US"]},
        {**IDENTIFY, "Settings": {"VocabularyName": "v"}},
        {**IDENTIFY, "ModelSettings": {"LanguageModelName": "m"}},
        {"LanguageIdSettings": {"en-US": {"VocabularyName": "v"}}},
        {"KMSEncryptionContext": {"a": "b"}},
        {"OutputEncryptionKMSKeyId": "alias/k"},
    ],
)
def test_good_requests_pass(changes: dict[str, Any]) -> None:
    check(changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"TranscriptionJobName": ...}, "TranscriptionJobName"),
        ({"TranscriptionJobName": "has space"}, "TranscriptionJobName"),
        ({"TranscriptionJobName": "fine\n"}, "TranscriptionJobName"),
        ({"TranscriptionJobName": "x" * 201}, "length of TranscriptionJobName"),
        ({"TranscriptionJobName": 5}, "TranscriptionJobName"),
        ({"Media": ...}, "Media"),
        ({"Media": {}}, "MediaFileUri"),
        ({"Media": {"MediaFileUri": "/etc/passwd"}}, "MediaFileUri"),
        ({"Media": {"MediaFileUri": "https://example.org/a.wav"}}, "s3://"),
        ({"Media": {"MediaFileUri": "https://bucket.s3.amazonaws.com/"}}, "s3://"),
        ({"Media": {"MediaFileUri": "https://[/a.wav"}}, "s3://"),
        ({"Media": {"MediaFileUri": "s3://bucket"}}, "MediaFileUri"),
        ({"Media": {"MediaFileUri": "s3://bucket/" + "k" * 2000}}, "Media.MediaFileUri"),
        ({"LanguageCode": ...}, "language code is missing"),
        ({"IdentifyLanguage": True}, "exactly one"),
        ({"LanguageCode": "en-XX"}, "LanguageCode"),
        ({**IDENTIFY, "LanguageOptions": ["en-US"]}, "two"),
        ({**IDENTIFY, "LanguageOptions": ["en-US", "xx"]}, "LanguageOptions[1]"),
        ({"LanguageOptions": ["en-US", "de-DE"]}, "IdentifyLanguage"),
        (
            {**IDENTIFY, "LanguageIdSettings": {"en-US": {"VocabularyFilterName": "f"}}},
            "VocabularyFilterMethod",
        ),
        (
            {
                "LanguageCode": ...,
                "IdentifyMultipleLanguages": True,
                "LanguageIdSettings": {"en-US": {"LanguageModelName": "m"}},
            },
            "custom language models",
        ),
        ({"MediaFormat": "aiff"}, "MediaFormat"),
        ({"MediaSampleRateHertz": 7999}, "MediaSampleRateHertz"),
        ({"MediaSampleRateHertz": 48001}, "MediaSampleRateHertz"),
        ({"OutputKey": "a.json"}, "OutputBucketName"),
        ({"OutputBucketName": "bucket", "OutputKey": "a b.json"}, "OutputKey"),
        ({"OutputBucketName": "Bucket"}, "OutputBucketName"),
        ({"Settings": {"ShowSpeakerLabels": True}}, "MaxSpeakerLabels"),
        ({"Settings": {"MaxSpeakerLabels": 2}}, "ShowSpeakerLabels"),
        ({"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 31}}, "MaxSpeakerLabels"),
        ({"Settings": {"ShowAlternatives": True}}, "MaxAlternatives"),
        ({"Settings": {"ShowAlternatives": True, "MaxAlternatives": 1}}, "MaxAlternatives"),
        ({"Settings": {"VocabularyFilterName": "v"}}, "VocabularyFilterMethod"),
        ({"Settings": {"Unknown": 1}}, "Unknown"),
        ({"JobExecutionSettings": {"AllowDeferredExecution": True}}, "DataAccessRoleArn"),
        ({"JobExecutionSettings": {"DataAccessRoleArn": ROLE}}, "AllowDeferredExecution"),
        ({"JobExecutionSettings": {}}, "AllowDeferredExecution"),
        ({"Subtitles": {"Formats": ["ass"]}}, "Subtitles.Formats[0]"),
        ({"Subtitles": {"OutputStartIndex": 2}}, "OutputStartIndex"),
        ({"ToxicityDetection": []}, "ToxicityDetection"),
        ({"ContentRedaction": {"RedactionType": "PII"}}, "RedactionOutput"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "50"),
        ({"Tags": [{"Key": "a", "Value": ""}] * 2}, "more than once"),
        ({"Tags": [{"Key": "aws:a", "Value": ""}]}, "reserved"),
        ({"ModelSettings": {}}, "LanguageModelName"),
        ({"Media": {}}, "MediaFileUri is missing"),
        (
            {"Media": {"MediaFileUri": "s3://b/k", "RedactedMediaFileUri": "s3://b/r"}},
            "Call Analytics",
        ),
        ({"MediaSampleRateHertz": 7999}, "valid min value: 8000"),
    ],
)
def test_bad_requests_are_refused_with_a_sentence_that_names_what_is_wrong(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        check(changes)

    assert caught.value.code == "BadRequestException"
    assert named in caught.value.message


def test_media_must_exist_and_have_at_most_two_gigabytes() -> None:
    check_media(MAX_MEDIA_BYTES)
    with pytest.raises(ServiceError, match="can't be accessed"):
        check_media(None)
    with pytest.raises(ServiceError, match="file size too large"):
        check_media(2 * 1024**3 + 1)


@pytest.mark.parametrize(
    ("output_key", "resolved"),
    [
        (None, "job.json"),
        ("a.json", "a.json"),
        ("folder/a.json", "folder/a.json"),
        ("folder", "folder/job.json"),
        ("folder/", "folder/job.json"),
        ("folder/deeper", "folder/deeper/job.json"),
    ],
)
def test_the_output_key_resolves_as_the_api_reference_says(
    output_key: str | None, resolved: str
) -> None:
    assert resolve_key("job", output_key) == resolved


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("s3://bucket/a/b?c#d", ("bucket", "a/b?c#d")),
        ("s3://bucket", ("bucket", "")),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a/b.wav", ("bucket", "a/b.wav")),
        ("https://b.u.s3.amazonaws.com/a%20b+c%2Bd.wav", ("b.u", "a b c+d.wav")),
        ("https://s3.dualstack.us-gov-west-1.amazonaws.com/bucket/a.wav", ("bucket", "a.wav")),
        ("https://s3-eu-west-1.amazonaws.com/bucket/a.wav", ("bucket", "a.wav")),
        ("https://bucket.s3.cn-north-1.amazonaws.com.cn/a.wav", ("bucket", "a.wav")),
        ("https://bucket.s3.amazonaws.com.example.org/a.wav", None),
        ("https://example.org/bucket/a.wav", None),
    ],
)
def test_media_is_found_by_every_address_that_the_service_accepts(
    uri: str, address: tuple[str, str] | None
) -> None:
    assert media_uri.split(uri) == address


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"ContentRedaction": {}}, "ContentRedaction"),
        ({"ToxicityDetection": []}, "ToxicityDetection"),
        ({"ModelSettings": {"LanguageModelName": "m"}}, "language models"),
        ({"LanguageIdSettings": {}}, "LanguageIdSettings"),
        ({"Settings": {"VocabularyName": "v"}}, "vocabularies"),
        ({"Settings": {"VocabularyFilterName": "v"}}, "filters"),
    ],
)
def test_what_is_not_supported_is_said(request_: dict[str, Any], named: str) -> None:
    reason = unsupported_options(request_)

    assert reason is not None
    assert reason.startswith("localaws does not support")
    assert named in reason


def test_everything_else_is_supported() -> None:
    assert (
        unsupported_options({"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 2}})
        is None
    )


@pytest.mark.parametrize(
    ("request_", "english"),
    [
        ({"LanguageCode": "en-IN"}, True),
        ({"LanguageCode": "de-DE"}, False),
        ({"IdentifyLanguage": True}, True),
        ({"IdentifyLanguage": True, "LanguageOptions": ["de-DE", "en-GB"]}, True),
        ({"IdentifyMultipleLanguages": True, "LanguageOptions": ["de-DE", "fr-FR"]}, False),
    ],
)
def test_only_english_is_recognised(request_: dict[str, Any], english: bool) -> None:
    assert (unsupported_language(request_) is None) is english
