"""What Amazon Transcribe answers and writes for each option, as far as nothing need be heard.

The expectations follow answers and documents recorded from the service.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.server import serve
from tests.support.account import UNLIMITED, Account, client
from tests.support.waiting import until

ROLE = "arn:aws:iam::123456789012:role/Transcribe"
TEXT = "[localaws fixed recogniser: no speech was recognised; job one]"
MISSING_LANGUAGE = (
    "The language code is missing. Either add a language code or turn on language identification."
)
REDACTED = {"ContentRedaction": {"RedactionType": "PII", "RedactionOutput": "redacted"}}
BOTH = {"ContentRedaction": {"RedactionType": "PII", "RedactionOutput": "redacted_and_unredacted"}}


@pytest.fixture
def account() -> Iterator[Account]:
    with serve(buckets=["media"], recogniser="fixed:0.2", quota=UNLIMITED) as endpoint:
        account = Account(endpoint)
        yield account
        account.s3.close()
        account.transcribe.close()


def completed(account: Account, **options: Any) -> dict[str, Any]:
    account.start("one", **options)
    job = account.ended("one")
    assert job["TranscriptionJobStatus"] == "COMPLETED", job
    return job


def document(account: Account, key: str = "out/one.json") -> dict[str, Any]:
    return dict(json.loads(account.read(key)))


def keys(account: Account) -> set[str]:
    """What the service wrote, but for its check that it may."""
    page = account.s3.list_objects_v2(Bucket="media", Prefix="out/")
    return {each["Key"] for each in page.get("Contents", ())} - {
        "out/.write_access_check_file.temp"
    }


def urls(account: Account, *keys: str) -> list[str]:
    return [f"{account.endpoint.url}/media/{key}" for key in keys]


@pytest.mark.parametrize(
    "options",
    [
        {"Settings": {"VocabularyName": "v"}},
        {"Settings": {"VocabularyFilterName": "f", "VocabularyFilterMethod": "mask"}},
        {"Settings": {"VocabularyFilterMethod": "mask"}},
        {"ModelSettings": {"LanguageModelName": "m"}},
        {"LanguageCode": "zu-ZA"},
        {"IdentifyLanguage": True, "LanguageIdSettings": {"de-DE": {"LanguageModelName": "m"}}},
        {
            "IdentifyMultipleLanguages": True,
            "LanguageOptions": ["de-DE", "fr-FR"],
            "LanguageIdSettings": {"de-DE": {"VocabularyFilterName": "f"}},
            "Settings": {"VocabularyFilterMethod": "remove"},
        },
        {"ToxicityDetection": [{"ToxicityCategories": ["ALL"]}]},
        {"JobExecutionSettings": {"AllowDeferredExecution": False, "DataAccessRoleArn": ROLE}},
        {"Settings": {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 2}},
        {"Settings": {"ChannelIdentification": True}},
        {"Settings": {"ShowAlternatives": True, "MaxAlternatives": 2}},
        {"Media": {"MediaFileUri": "https://s3.eu-west-1.amazonaws.com/media/a.wav"}},
        {"Media": {"MediaFileUri": "https://media.s3.amazonaws.com/a.wav"}},
        REDACTED,
        BOTH,
    ],
)
def test_without_recognition_every_option_works_and_is_echoed(
    account: Account, options: dict[str, Any]
) -> None:
    job = completed(account, **options)

    # Of the settings, those too that nobody made.
    echoed = {
        **job,
        "Settings": {name: job["Settings"][name] for name in options.get("Settings", {})},
    }
    assert {name: echoed[name] for name in options} == options


def test_a_redacted_document_hides_what_is_personal_and_is_the_only_one(account: Account) -> None:
    kinds = {"PiiEntityTypes": ["SSN", "NAME"]}
    job = completed(account, ContentRedaction=REDACTED["ContentRedaction"] | kinds)

    assert keys(account) == {"out/redacted-one.json"}
    (url,) = urls(account, "out/redacted-one.json")
    assert job["Transcript"] == {"RedactedTranscriptFileUri": url}
    assert b"[personal]" not in account.read("out/redacted-one.json")
    redacted = document(account, "out/redacted-one.json")
    assert redacted["isRedacted"] is True
    assert redacted["results"]["transcripts"] == [{"transcript": f"{TEXT} [PII]"}]
    assert redacted["results"]["items"][1] == {
        "id": 1,
        "type": "pronunciation",
        "alternatives": [
            {
                "content": "[PII]",
                "redactions": [{"confidence": "0.0", "type": "SSN", "category": "PII"}],
            }
        ],
        "start_time": "0.2",
        "end_time": "0.2",
    }


def test_both_documents_are_written_and_only_one_is_open(account: Account) -> None:
    job = completed(account, **BOTH)

    assert keys(account) == {"out/one.json", "out/redacted-one.json"}
    hidden, open_ = urls(account, "out/redacted-one.json", "out/one.json")
    assert job["Transcript"] == {"RedactedTranscriptFileUri": hidden, "TranscriptFileUri": open_}
    assert b"[personal]" not in account.read("out/redacted-one.json")
    unredacted = document(account)
    assert "isRedacted" not in unredacted
    assert unredacted["results"]["transcripts"] == [{"transcript": f"{TEXT} [personal]"}]
    assert unredacted["results"]["items"][1]["alternatives"] == [
        {"confidence": "0.0", "content": "[personal]"}
    ]


def test_a_fault_of_the_result_is_one_of_every_document(account: Account) -> None:
    account.faults([{"kind": "not_json", "match": "one"}, {"kind": "no_result", "match": "two"}])

    completed(account, **BOTH)
    account.start("two", **BOTH)
    account.ended("two")

    assert keys(account) == {"out/one.json", "out/redacted-one.json"}
    assert {account.read(key) for key in keys(account)} == {b"<html>This is no transcript.</html>"}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["one.srt", "one.vtt"]),
        (REDACTED, ["redacted-one.srt", "redacted-one.vtt"]),
        (BOTH, ["redacted-one.srt", "redacted-one.vtt", "one.srt", "one.vtt"]),
    ],
)
def test_every_document_has_its_subtitles(
    account: Account, options: dict[str, Any], names: list[str]
) -> None:
    job = completed(account, Subtitles={"Formats": ["srt", "vtt"]}, **options)

    paths = [f"out/{name}" for name in names]
    assert set(paths) <= keys(account)
    assert job["Subtitles"] == {
        "Formats": ["srt", "vtt"],
        "OutputStartIndex": 0,
        "SubtitleFileUris": urls(account, *paths),
    }
    for path in paths:
        assert b" --> " in account.read(path)
        assert (b"[personal]" in account.read(path)) == (options == BOTH and "redact" not in path)


@pytest.mark.parametrize(
    ("method", "said", "matches"),
    [
        ("tag", f"{TEXT} [filtered]", [None, True]),
        ("mask", f"{TEXT} ***", [None, None]),
        ("remove", TEXT, [None]),
    ],
)
@pytest.mark.parametrize("by_language", [False, True])
def test_a_vocabulary_filter_marks_hides_or_removes_words(
    account: Account, method: str, said: str, matches: list[bool | None], by_language: bool
) -> None:
    settings = {"VocabularyFilterMethod": method}
    if by_language:
        filters = {"en-US": {"VocabularyFilterName": "f"}}
        completed(account, IdentifyLanguage=True, LanguageIdSettings=filters, Settings=settings)
    else:
        completed(account, Settings=settings | {"VocabularyFilterName": "f"})

    results = document(account)["results"]
    assert results["transcripts"] == [{"transcript": said}]
    assert [item.get("vocabularyFilterMatch") for item in results["items"]] == matches


def test_toxicity_is_numbers(account: Account) -> None:
    completed(account, ToxicityDetection=[{"ToxicityCategories": ["ALL"]}])

    (segment,) = document(account)["results"]["toxicity_detection"]
    assert (segment["text"], segment["start_time"], segment["end_time"]) == (TEXT, 0.0, 0.2)
    assert isinstance(segment["toxicity"], float)
    assert set(segment["categories"]) == {
        "profanity",
        "hate_speech",
        "sexual",
        "insult",
        "violence_or_threat",
        "graphic",
        "harassment_or_abuse",
    }


def test_a_document_names_the_language_only_if_it_was_identified(account: Account) -> None:
    completed(account)
    account.start("two", IdentifyLanguage=True, LanguageOptions=["de-DE", "en-GB", "fr-FR"])
    account.ended("two")

    assert "language_code" not in document(account)["results"]
    identified = document(account, "out/two.json")["results"]
    assert identified["language_code"] == "en-GB"
    scores = identified["language_identification"]
    assert [each["code"] for each in scores] == ["en-GB", "de-DE", "fr-FR"]
    assert all(isinstance(each["score"], str) for each in scores)


def test_get_adds_default_settings_and_an_empty_transcript(account: Account) -> None:
    started = account.start("one", Settings={"ShowAlternatives": True, "MaxAlternatives": 3})
    running = account.get("one")

    assert started.keys().isdisjoint({"Transcript"})
    assert running["Transcript"] == {}
    assert running["Settings"] == {
        "ChannelIdentification": False,
        "ShowAlternatives": True,
        "MaxAlternatives": 3,
    }
    (url,) = urls(account, "out/one.json")
    assert account.ended("one")["Transcript"] == {"TranscriptFileUri": url}


def test_a_failed_job_was_never_completed(account: Account) -> None:
    account.faults([{"kind": "fail", "reason": "Because."}])
    account.start("one")

    job = account.ended("one")

    assert job["TranscriptionJobStatus"] == "FAILED"
    assert "CompletionTime" not in job
    (summary,) = account.transcribe.list_transcription_jobs()["TranscriptionJobSummaries"]
    assert summary["FailureReason"] == "Because."
    assert "CompletionTime" not in summary
    assert account.list(Status="FAILED") == ["one"]


def test_times_have_milliseconds(account: Account) -> None:
    job = completed(account)

    for name in ("CreationTime", "StartTime", "CompletionTime"):
        assert job[name].microsecond % 1000 == 0


def test_a_region_knows_nothing_of_anothers_jobs(account: Account) -> None:
    elsewhere = Account(account.endpoint, region="us-east-1")
    account.start("one")
    account.start("here")
    elsewhere.start("one")

    assert account.list() == ["here", "one"]
    assert account.list(Status="IN_PROGRESS") == ["here", "one"]
    assert elsewhere.list() == ["one"]
    assert refusal(elsewhere.get, "here")[0] == "BadRequestException"
    elsewhere.ended("one")
    elsewhere.delete(TranscriptionJobName="one")
    assert elsewhere.list() == []
    assert account.ended("one")["TranscriptionJobStatus"] == "COMPLETED"
    elsewhere.s3.close()
    elsewhere.transcribe.close()


def test_the_limit_of_running_jobs_applies_to_a_region() -> None:
    with serve(buckets=["media"], recogniser="fixed:0.2", quota=f"{UNLIMITED},jobs=1") as endpoint:
        here, elsewhere = Account(endpoint), Account(endpoint, region="us-east-1")
        here.start("one")
        assert elsewhere.start("two")["TranscriptionJobStatus"] == "IN_PROGRESS"
        assert refusal(here.start, "three")[0] == "LimitExceededException"
        until(lambda: here.admin()["running"] == 0)
        for account in (here, elsewhere):
            account.s3.close()
            account.transcribe.close()


def test_refusals_are_worded_as_the_service_words_them(account: Account) -> None:
    account.start("one")
    unchecked = client("transcribe", account.endpoint.url, parameter_validation=False)
    unknown = (
        "BadRequestException",
        "The requested job couldn't be found. Check the job name and try your request again.",
    )

    assert refusal(account.get, "none") == unknown
    assert refusal(account.delete, TranscriptionJobName="none") == unknown
    assert refusal(account.start, "one") == (
        "ConflictException",
        "The requested job name already exists. Use a different job name.",
    )
    assert refusal(
        unchecked.start_transcription_job,
        TranscriptionJobName="two",
        Media={"MediaFileUri": "s3://media/a.wav"},
    ) == (
        "BadRequestException",
        MISSING_LANGUAGE,
    )
    unchecked.close()


def refusal(call: Any, *args: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*args, **options)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
