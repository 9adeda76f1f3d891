"""Transcribe describes a job by its options: the reverse of the parameters of a start."""

from __future__ import annotations

from typing import Any

import pytest

from producer.contract.request import TranscriptionRequest
from producer.contract.s3_uri import S3Uri
from worker.aws.description import options_of
from worker.aws.parameters import start_parameters

URI = "s3://bucket/talk.wav"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"language": "de-DE", "show_speaker_labels": True, "max_speaker_labels": 4},
        {"language": "auto", "identify_multiple_languages": True},
        {"language": ("en-US", "de-DE"), "channel_identification": True},
        {"language": "auto", "language_id_settings": {"en-US": {"vocabulary_name": "words"}}},
        {"show_alternatives": True, "max_alternatives": 3, "toxicity_detection": True},
        {"vocabulary_filter_name": "rude", "vocabulary_filter_method": "mask"},
        {"language_model_name": "ours", "vocabulary_name": "words", "tags": {"a": "b"}},
        {"content_redaction": {"pii_entity_types": ["NAME", "SSN"]}},
        {"subtitles": {"formats": ["srt"], "output_start_index": 0}},
        {"allow_deferred_execution": True, "data_access_role_arn": "arn:aws:iam::1:role/x"},
    ],
    ids=lambda options: "+".join(options) or "none",
)
def test_the_options_come_back(options: dict[str, Any]) -> None:
    request = TranscriptionRequest.parse({"audio": URI, "name": "talk", **options})
    output = S3Uri("s3://bucket/k")
    sent = start_parameters(request, name="talk", media_uri=URI, output_uri=output)
    described: Any = {**sent, "MediaFormat": "wav", "MediaSampleRateHertz": 16000}
    found = options_of(described)
    assert TranscriptionRequest.parse({"audio": URI, "name": "talk", **found}) == request


def test_a_language_that_was_found_is_no_part_of_the_request() -> None:
    assert options_of({"IdentifyLanguage": True, "LanguageCode": "en-US"}) == {"language": "auto"}
