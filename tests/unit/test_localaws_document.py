"""The result document and the subtitles made from it."""

from typing import Any

import pytest

from localaws.transcribe.document import build
from localaws.transcribe.speech import Recognition, Utterance, Word
from localaws.transcribe.subtitles import subtitles

HELLO = Utterance(
    start=0.0,
    end=0.9,
    words=(Word("hello", 0.119, 0.389, 0.998), Word("there", 0.389, 0.68, 0.99987)),
)
MINE = Utterance(1.2, 1.6, (Word("i'm", 1.2, 1.3, 1.0), Word("here", 1.3, 1.5, 0.5)), channel=1)
HEARD = Recognition(2.0, (HELLO, MINE), "wav", 16000)
ENGLISH = {"LanguageCode": "en-GB"}


def results(recognition: Recognition, **request: object) -> dict[str, Any]:
    return dict(build("job", {**ENGLISH, **request}, recognition)["results"])


def test_words_have_times_and_confidences_as_strings_and_punctuation_has_no_times() -> None:
    document = build("job", ENGLISH, HEARD)

    assert {key: document[key] for key in ("jobName", "accountId", "status")} == {
        "jobName": "job",
        "accountId": "123456789012",
        "status": "COMPLETED",
    }
    assert document["results"]["items"][0] == {
        "id": 0,
        "type": "pronunciation",
        "alternatives": [{"confidence": "0.998", "content": "Hello"}],
        "start_time": "0.119",
        "end_time": "0.389",
    }
    assert document["results"]["items"][2] == {
        "id": 2,
        "type": "punctuation",
        "alternatives": [{"confidence": "0.0", "content": "."}],
    }


def test_an_utterance_is_a_sentence_and_an_audio_segment() -> None:
    heard = results(HEARD)

    assert heard["transcripts"] == [{"transcript": "Hello there. I'm here."}]
    assert heard["audio_segments"][1] == {
        "id": 1,
        "transcript": "I'm here.",
        "start_time": "1.2",
        "end_time": "1.6",
        "items": [3, 4, 5],
    }


def test_a_language_that_was_asked_for_is_not_in_the_document() -> None:
    assert results(HEARD).keys().isdisjoint({"language_code", "language_identification"})


def test_silence_is_an_empty_transcript() -> None:
    heard = results(Recognition(2.0, ()))

    assert heard["transcripts"] == [{"transcript": ""}]
    assert heard["items"] == []


def test_there_is_one_speaker_and_it_labels_everything() -> None:
    heard = results(HEARD, Settings={"ShowSpeakerLabels": True, "MaxSpeakerLabels": 2})

    assert heard["speaker_labels"]["speakers"] == 1
    assert [each["speaker_label"] for each in heard["speaker_labels"]["segments"]] == ["spk_0"] * 2
    assert {each["speaker_label"] for each in heard["items"]} == {"spk_0"}
    assert heard["speaker_labels"]["segments"][0]["items"][0]["start_time"] == "0.119"


def test_channels_are_labelled_and_kept_apart() -> None:
    heard = results(
        Recognition(2.0, (HELLO, MINE), channels=2), Settings={"ChannelIdentification": True}
    )

    assert heard["channel_labels"]["number_of_channels"] == 2
    left, right = heard["channel_labels"]["channels"]
    assert [item["alternatives"][0]["content"] for item in left["items"]] == ["Hello", "there", "."]
    assert right["items"] == heard["items"][3:]
    assert right["items"][0]["channel_label"] == "ch_1"


def test_alternatives_are_segments_with_the_best_first() -> None:
    other = (Word("yellow", 0.1, 0.3, 0.25), Word("bear", 0.3, 0.6, 0.25))
    utterance = Utterance(0.0, 0.9, HELLO.words, alternatives=(other,))
    heard = results(
        Recognition(2.0, (utterance,)), Settings={"ShowAlternatives": True, "MaxAlternatives": 2}
    )

    (segment,) = heard["segments"]
    assert [each["transcript"] for each in segment["alternatives"]] == [
        "Hello there.",
        "Yellow bear.",
    ]
    assert segment["alternatives"][1]["items"][0] == {
        "start_time": "0.1",
        "end_time": "0.3",
        "confidence": "0.25",
        "type": "pronunciation",
        "content": "Yellow",
    }


def test_without_alternatives_asked_for_there_are_none() -> None:
    assert results(HEARD).keys().isdisjoint({"segments", "speaker_labels", "channel_labels"})


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (["de-DE", "en-AU", "en-US"], ["en-AU", "de-DE", "en-US"]),
        (["de-DE", "fr-FR"], ["de-DE", "fr-FR"]),
        (None, ["en-US", "es-US", "fr-FR", "de-DE", "zh-CN"]),
    ],
)
def test_a_language_is_assumed_among_candidates_that_all_have_a_score(
    options: list[str] | None, codes: list[str]
) -> None:
    request = {"IdentifyLanguage": True, **({"LanguageOptions": options} if options else {})}

    heard = build("job", request, HEARD)["results"]

    assert heard["language_code"] == codes[0]
    assert heard["language_identification"] == [{"score": "0.0", "code": code} for code in codes]


def test_several_languages_are_reported_as_one_for_the_whole_length() -> None:
    heard = build("job", {"IdentifyMultipleLanguages": True}, HEARD)["results"]

    assert heard["language_codes"] == [{"language_code": "en-US", "duration_in_seconds": 2.0}]
    assert "language_code" not in heard


def test_a_recognition_survives_the_way_between_processes() -> None:
    assert Recognition.from_json(HEARD.to_json()) == HEARD


def test_srt_counts_from_the_index_asked_for() -> None:
    text = subtitles("srt", build("job", ENGLISH, HEARD), 1)

    assert text == (
        "1\n00:00:00,119 --> 00:00:00,680\nHello there.\n\n"
        "2\n00:00:01,200 --> 00:00:01,500\nI'm here.\n"
    )


def test_vtt_has_a_header_and_points() -> None:
    text = subtitles("vtt", build("job", ENGLISH, HEARD), 0)

    assert text.startswith("WEBVTT\n\n0\n00:00:00.119 --> 00:00:00.680\nHello there.\n\n1\n")


@pytest.mark.parametrize(("kind", "text"), [("srt", ""), ("vtt", "WEBVTT\n")])
def test_subtitles_of_silence_have_no_cues(kind: str, text: str) -> None:
    assert subtitles(kind, build("job", ENGLISH, Recognition(2.0, ())), 0) == text


def test_long_speech_is_broken_into_readable_cues() -> None:
    words = tuple(Word("word", n * 0.3, n * 0.3 + 0.3, 1.0) for n in range(15_000))
    document = build("job", ENGLISH, Recognition(4500.0, (Utterance(0.0, 4500.0, words),)))

    text = subtitles("srt", document, 1)

    lines = text.split("\n")[2::4]
    assert max(map(len, lines)) <= 85
    assert sum(len(line.split()) for line in lines) == 15_000
    assert "01:14:59,700 -->" in text or "--> 01:15:00,000" in text
