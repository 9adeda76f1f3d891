"""A fingerprint is of the audio and of all that Transcribe hears, and of nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from producer.contract.fingerprint import NOT_HEARD, fingerprint
from producer.contract.options import TranscribeOptions
from producer.contract.request import TranscriptionRequest

#: Another value of each field that Transcribe hears, with what else it needs.
HEARD: dict[str, dict[str, Any]] = {
    "language": {"language": "de-DE"},
    "media_format": {"media_format": "wav"},
    "media_sample_rate_hertz": {"media_sample_rate_hertz": 16000},
    "show_speaker_labels": {"show_speaker_labels": True, "max_speaker_labels": 2},
    "max_speaker_labels": {"show_speaker_labels": True, "max_speaker_labels": 3},
    "channel_identification": {"channel_identification": True},
    "show_alternatives": {"show_alternatives": True, "max_alternatives": 2},
    "max_alternatives": {"show_alternatives": True, "max_alternatives": 3},
    "vocabulary_name": {"vocabulary_name": "terms"},
    "vocabulary_filter_name": {
        "vocabulary_filter_name": "words",
        "vocabulary_filter_method": "mask",
    },
    "vocabulary_filter_method": {"vocabulary_filter_method": "tag"},
    "language_model_name": {"language_model_name": "model"},
    "language_id_settings": {
        "language": "auto",
        "language_id_settings": {"en-US": {"vocabulary_name": "terms"}},
    },
    "identify_multiple_languages": {"language": "auto", "identify_multiple_languages": True},
    "content_redaction": {"content_redaction": {}},
    "subtitles": {"subtitles": {"formats": ["srt"]}},
    "toxicity_detection": {"toxicity_detection": True},
    "output_encryption_kms_key_id": {"output_encryption_kms_key_id": "alias/key"},
    "kms_encryption_context": {"kms_encryption_context": {"a": "b"}},
    "data_access_role_arn": {"data_access_role_arn": "arn:aws:iam::123456789012:role/reader"},
}
#: The same of the others.
OTHERS: dict[str, dict[str, Any]] = {
    "audio": {"audio": "/other/place.wav"},
    "name": {"name": "another"},
    "key": {"key": "some/key.wav"},
    "formats": {"formats": ["srt"]},
    "output": {"output": "folder"},
    "cleanup": {"cleanup": True},
    "priority": {"priority": 1},
    "deadline": {"deadline": 60},
    "metadata": {"metadata": {"tenant": "alice"}},
    "fresh": {"fresh": True},
    "tags": {"tags": {"a": "b"}},
    "allow_deferred_execution": {},
}


def request(**fields: Any) -> TranscriptionRequest:
    return TranscriptionRequest.parse({"audio": "/audio/talk.wav", **fields})


def test_each_field_is_of_one_kind() -> None:
    assert {*OTHERS} == NOT_HEARD
    assert {*HEARD} == {*TranscriptionRequest.model_fields} - NOT_HEARD
    assert {*TranscribeOptions.model_fields} - {*HEARD} == {"tags", "allow_deferred_execution"}


def test_what_transcribe_hears_makes_another_fingerprint() -> None:
    found = [fingerprint("sha256:1", request(**HEARD.get(name, {})), {}, "") for name in HEARD]
    assert len({*found, fingerprint("sha256:1", request(), {}, "")}) == len(HEARD) + 1


@pytest.mark.parametrize("name", OTHERS)
def test_other_fields_do_not(name: str) -> None:
    one, other = request(), request(**OTHERS[name])
    assert fingerprint("sha256:1", one, {}, "") == fingerprint("sha256:1", other, {}, "")


def test_deferred_execution_does_not() -> None:
    role = HEARD["data_access_role_arn"]
    one, other = request(**role), request(**role, allow_deferred_execution=True)
    assert fingerprint("sha256:1", one, {}, "") == fingerprint("sha256:1", other, {}, "")


def test_the_audio_the_tenant_and_the_time_of_a_change_make_another() -> None:
    found = {
        fingerprint(content, request(), changed_at, tenant)
        for content in ("sha256:1", "sha256:2", "s3://bucket/key@etag:1")
        for changed_at in ({}, {"vocabulary terms": "2026-01-01"})
        for tenant in (None, "", "alice")
    }
    assert len(found) == 18


def test_it_is_short_and_always_the_same() -> None:
    found = fingerprint("sha256:1", request(language=["en-US", "de-DE"]), {}, "")
    assert re.fullmatch(r"[\w-]{43}", found)
    # Redis keeps it for months, so it must be the same in the next version.
    assert found == "bCVoQeM70qYSv0iTU-hf_NSD0zaepBEvMO_VneITuWs"
