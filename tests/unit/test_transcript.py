"""Result documents become transcripts, or one clear error."""

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.contract.formats import FORMATS
from producer.errors import BadTranscript
from producer.transcript.transcript import Transcript
from producer.transcript.words import Alternative


def spoken(
    content: str, start: str, end: str, confidence: str = "0.9", **more: Any
) -> dict[str, Any]:
    alternatives = [{"confidence": confidence, "content": content}]
    return {
        "type": "pronunciation",
        "alternatives": alternatives,
        "start_time": start,
        "end_time": end,
        **more,
    }


def mark(content: str, **more: Any) -> dict[str, Any]:
    alternatives = [{"confidence": "0.0", "content": content}]
    return {"type": "punctuation", "alternatives": alternatives, **more}


def document(text: str, items: list[Any], **results: Any) -> dict[str, Any]:
    return {
        "jobName": "tea-1",
        "accountId": "000000000000",
        "status": "COMPLETED",
        "results": {"transcripts": [{"transcript": text}], "items": items, **results},
    }


def numbered(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": number, **item} for number, item in enumerate(items)]


TEA = [spoken("Tea", "0.1", "0.4", "0.8"), spoken("please", "0.4", "0.9", "1.0"), mark(".")]
TALK = [
    spoken("Tea", "0.1", "0.4", speaker_label="spk_1"),
    mark("?", speaker_label="spk_1"),
    spoken("Two", "0.5", "0.8", speaker_label="spk_1"),
    mark(".", speaker_label="spk_1"),
    spoken("Milk", "1.0", "1.4", speaker_label="spk_0"),
]


def read(document: dict[str, Any], language: str | None = None) -> Transcript:
    return Transcript.from_json(json.dumps(document), language=language)


def test_a_plain_document_has_text_words_and_the_mean_confidence() -> None:
    transcript = read(document("Tea please.", TEA))
    assert transcript.text == "Tea please."
    assert transcript.transcripts == ("Tea please.",)
    assert transcript.job_name == "tea-1"
    assert transcript.confidence == pytest.approx(0.9)
    assert transcript.speakers == ()
    assert transcript.is_redacted is False
    assert [(w.content, w.start, w.end, w.confidence, w.kind) for w in transcript.words] == [
        ("Tea", 0.1, 0.4, 0.8, "pronunciation"),
        ("please", 0.4, 0.9, 1.0, "pronunciation"),
        (".", 0.9, 0.9, None, "punctuation"),
    ]
    assert transcript.render("txt") == "Tea please.\n"


def test_times_and_confidences_may_be_numbers() -> None:
    item = {
        "type": "pronunciation",
        "alternatives": [{"confidence": 1, "content": "Tea"}],
        "start_time": 2,
        "end_time": 2.5,
    }
    (word,) = read(document("Tea", [item])).words
    assert (word.start, word.end, word.confidence) == (2.0, 2.5, 1.0)


def test_the_services_own_segments_are_kept() -> None:
    parts = [
        {"id": 0, "transcript": "Tea", "start_time": "0.0", "end_time": "0.4", "items": [0]},
        {"id": 1, "transcript": "please.", "start_time": "0.4", "end_time": "1.2", "items": [1, 2]},
    ]
    transcript = read(document("Tea please.", numbered(TEA), audio_segments=parts))
    assert [(s.start, s.end, s.text, len(s.words)) for s in transcript.segments] == [
        (0.0, 0.4, "Tea", 1),
        (0.4, 1.2, "please.", 2),
    ]


@pytest.mark.parametrize(
    "named", [[0, 1], [0, 1, 1], [0, 1, 2, 2], [0, 1, 7]], ids=["lost", "swapped", "twice", "wild"]
)
def test_segments_that_lack_or_repeat_a_word_are_cut_anew(named: list[int]) -> None:
    part = {"id": 0, "transcript": "other", "start_time": "0", "end_time": "5", "items": named}
    transcript = read(document("Tea please.", numbered(TEA), audio_segments=[part]))
    assert [segment.text for segment in transcript.segments] == ["Tea please."]


def test_a_segment_of_two_speakers_is_cut_anew() -> None:
    part = {"transcript": "all", "start_time": "0", "end_time": "2", "items": [0, 1, 2, 3, 4]}
    talk = document("Tea? Two. Milk", numbered(TALK), audio_segments=[part])
    speakers = [segment.speaker for segment in read(talk).segments]
    assert speakers == ["spk_1", "spk_1", "spk_0"]


def test_speakers_each_get_a_line_a_turn() -> None:
    transcript = read(document("Tea? Two. Milk", TALK))
    assert transcript.speakers == ("spk_1", "spk_0")
    assert [(s.speaker, s.text) for s in transcript.segments] == [
        ("spk_1", "Tea?"),
        ("spk_1", "Two."),
        ("spk_0", "Milk"),
    ]
    assert transcript.render("txt") == "spk_1: Tea? Two.\nspk_0: Milk\n"
    assert "<v spk_0>Milk\n" in transcript.render("vtt")


def test_older_documents_name_speakers_only_in_a_list_of_their_own() -> None:
    bare = [{k: v for k, v in item.items() if k != "speaker_label"} for item in TALK]
    labels = {
        "speakers": 2,
        "segments": [
            {
                "speaker_label": item["speaker_label"],
                "start_time": item["start_time"],
                "end_time": item["end_time"],
                "items": [{k: item[k] for k in ("start_time", "end_time", "speaker_label")}],
            }
            for item in TALK
            if "start_time" in item
        ],
    }
    old = read(document("Tea? Two. Milk", bare, speaker_labels=labels))
    new = read(document("Tea? Two. Milk", TALK))
    assert old.words == new.words
    assert [word.speaker for word in old.words] == ["spk_1"] * 4 + ["spk_0"]


CALL = [
    spoken("Hello", "0.0", "0.5", channel_label="ch_0"),
    spoken("Yes", "0.3", "0.6", channel_label="ch_1"),
    spoken("there", "0.5", "0.9", channel_label="ch_0"),
    mark("?", channel_label="ch_1"),
    mark(".", channel_label="ch_0"),
]


def test_channels_that_talk_at_once_are_kept_apart() -> None:
    transcript = read(document("Hello Yes there?.", CALL))
    assert [(s.channel, s.text) for s in transcript.segments] == [
        ("ch_0", "Hello there."),
        ("ch_1", "Yes?"),
    ]
    assert [(w.content, w.end) for w in transcript.words[3:]] == [("?", 0.6), (".", 0.9)]
    assert transcript.render("txt") == "ch_0: Hello there.\nch_1: Yes?\n"


def test_channels_listed_one_after_the_other_are_merged_by_time() -> None:
    late = spoken("Late", "5.0", "5.5", channel_label="ch_0")
    early = spoken("Early", "1.0", "1.5", channel_label="ch_1")
    transcript = read(document("Late Early", [late, early]))
    assert [segment.text for segment in transcript.segments] == ["Early", "Late"]


def test_a_pause_of_more_than_a_second_ends_a_segment() -> None:
    items = [
        spoken("One", "0.0", "0.3"),
        spoken("two", "1.2", "1.5"),
        spoken("three", "2.6", "3.0"),
    ]
    segments = read(document("One two three", items)).segments
    assert [(s.start, s.end, s.text) for s in segments] == [
        (0.0, 1.5, "One two"),
        (2.6, 3.0, "three"),
    ]


def test_older_documents_name_channels_only_in_a_list_of_their_own() -> None:
    # At the same time on both channels: only the words differ.
    left, right = spoken("Tea", "0.1", "0.4"), spoken("Milk", "0.1", "0.4")
    labels = {
        "number_of_channels": 2,
        "channels": [
            {"channel_label": "ch_0", "items": [left, mark(".")]},
            {"channel_label": "ch_1", "items": [right]},
        ],
    }
    transcript = read(document("Tea. Milk", [left, mark("."), right], channel_labels=labels))
    assert [word.channel for word in transcript.words] == ["ch_0", "ch_0", "ch_1"]


def test_other_readings_of_words_and_segments_come_with_their_confidence() -> None:
    item = spoken("tea", "0.1", "0.4")
    item["alternatives"].append({"confidence": "0.1", "content": "tee"})
    other = {
        "transcript": "T please.",
        "items": [
            {"type": "pronunciation", "content": "T", "confidence": "0.2"},
            {"type": "pronunciation", "content": "please", "confidence": "0.4"},
            {"type": "punctuation", "content": ".", "confidence": "0.0"},
        ],
    }
    segment = {"start_time": "0.0", "end_time": "0.9", "alternatives": [other]}
    transcript = read(document("tea", [item], segments=[segment]))
    assert transcript.words[0].alternatives == (Alternative("tea", 0.9), Alternative("tee", 0.1))
    (heard,) = transcript.alternatives
    assert (heard.start, heard.end) == (0.0, 0.9)
    (reading,) = heard.alternatives
    assert reading.transcript == "T please."
    assert reading.confidence == pytest.approx(0.3)


def test_a_redacted_word_has_no_confidence_and_does_not_count_in_the_mean() -> None:
    hidden = spoken("[PII]", "0.5", "0.9")
    hidden["alternatives"] = [
        {"content": "[PII]", "redactions": [{"confidence": "0.99", "category": "PII"}]}
    ]
    redacted = document("I [PII]", [spoken("I", "0.1", "0.2", "0.7"), hidden])
    transcript = read({**redacted, "isRedacted": True})
    assert transcript.is_redacted is True
    assert transcript.words[1].confidence is None
    assert transcript.confidence == pytest.approx(0.7)


def test_languages() -> None:
    shares = [
        {"language_code": "en-US", "duration_in_seconds": 2.5},
        {"language_code": "hi-IN", "duration_in_seconds": 5},
    ]
    several = read(document("", [], language_codes=shares))
    assert (several.language, several.languages) == ("hi-IN", ("hi-IN", "en-US"))
    one = read(
        document(
            "",
            [],
            language_code="en-GB",
            language_identification=[{"code": "en-GB", "score": "0.98"}],
        )
    )
    assert (one.language, one.languages) == ("en-GB", ("en-GB",))
    none = read(document("", []))
    assert (none.language, none.languages) == (None, ())


def test_the_language_asked_for_is_that_of_a_document_that_names_none() -> None:
    plain = json.dumps(document("", []))
    asked = Transcript.from_json(plain, language="en-GB")
    assert (asked.language, asked.languages) == ("en-GB", ("en-GB",))
    identified = read(document("", [], language_code="de-DE"), language="en-GB")
    assert (identified.language, identified.languages) == ("de-DE", ("de-DE",))


def test_what_nobody_reads_does_no_harm() -> None:
    toxic = [{"text": "Tea", "toxicity": 0.7, "start_time": 0.1, "end_time": 0.4}]
    item = spoken("Tea", "0.1", "0.4", vocabularyFilterMatch=True)
    assert read(document("Tea", [item], toxicity_detection=toxic)).text == "Tea"


@pytest.mark.parametrize("items", [[], None])
def test_no_speech_is_a_transcript(items: list[Any] | None) -> None:
    silent = document("", [])
    if items is None:
        del silent["results"]["items"]
    transcript = read(silent)
    assert (transcript.text, transcript.words, transcript.segments) == ("", (), ())
    assert transcript.confidence is None
    assert transcript.render("txt") == ""
    assert transcript.render("srt") == ""
    assert transcript.render("vtt") == "WEBVTT\n"


def test_text_without_spaces_stays_without_spaces() -> None:
    items = [
        spoken("今日", "0.1", "0.4", speaker_label="spk_0"),
        spoken("は", "0.4", "0.5", speaker_label="spk_0"),
        mark("。", speaker_label="spk_0"),
        spoken("はい", "0.6", "0.9", speaker_label="spk_0"),
    ]
    transcript = read(document("今日は。はい", items))
    assert [segment.text for segment in transcript.segments] == ["今日は。", "はい"]
    assert transcript.render("txt") == "spk_0: 今日は。はい\n"


def test_an_opening_mark_belongs_to_the_word_after_it() -> None:
    items = [
        spoken("Hola", "0.1", "0.4"),
        mark("."),
        mark("¿"),
        spoken("Sí", "9.0", "9.4"),
        mark("?"),
    ]
    segments = read(document("Hola. ¿Sí?", items)).segments
    assert [(s.text, s.start) for s in segments] == [("Hola.", 0.1), ("¿Sí?", 9.0)]


def test_json_comes_back_byte_by_byte() -> None:
    data = b'\xef\xbb\xbf{ "results" :{"transcripts":[ ],"x":1.50},\r\n "unknown": "\xc3\xa9"}\n'
    assert Transcript.from_json(data).render("json").encode() == data
    tea = document("Té", [])
    assert json.loads(read(tea).render("json")) == tea


def test_render_writes_each_format() -> None:
    transcript = read(document("Tea please.", TEA))
    assert transcript.render("txt") == "Tea please.\n"
    assert transcript.render("srt") == "1\n00:00:00,100 --> 00:00:00,900\nTea please.\n"
    assert transcript.render("vtt") == "WEBVTT\n\n00:00:00.100 --> 00:00:00.900\nTea please.\n"
    assert json.loads(transcript.render("json")) == document("Tea please.", TEA)
    for each in FORMATS:
        assert transcript.render(each)
    with pytest.raises(ValueError, match="one of txt, srt, vtt, json"):
        transcript.render("pdf")  # type: ignore[arg-type]


def test_a_transcript_is_frozen() -> None:
    transcript = read(document("Tea", []))
    with pytest.raises(FrozenInstanceError):
        transcript.job_name = "other"  # type: ignore[misc]


DEEP = 100_000


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not whole JSON"),
        (b"<html>", "not whole JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "not a result of Amazon Transcribe"),
        (b"{}", "has no results"),
        (b'{"results": {}}', r"has no results\.transcripts"),
        (b'{"results": {"transcripts": [{"transcript": 5}]}}', r"at results\.transcripts\.0"),
        ("[" * DEEP, "recursion limit"),
        ('{"results":' * DEEP, "recursion limit"),
        ('{"results": "\ud800"}', "unicode"),
        ("1" * 5000, "not whole JSON"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "backslashreplace").decode(),
)
def test_what_is_no_result_is_refused_in_one_sentence(data: bytes | str, sentence: str) -> None:
    with pytest.raises(BadTranscript, match=sentence) as caught:
        Transcript.from_json(data)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "item",
    [
        spoken("Tea", "early", "late"),
        spoken("Tea", "nan", "1"),
        spoken("Tea", "0", "1e300"),
        spoken("Tea", "-1", "1"),
        spoken("Tea", "0", "1", "inf"),
        {"type": "pronunciation", "alternatives": [{"content": "Tea"}]},
        {"type": "punctuation", "alternatives": []},
        {"type": "song", "alternatives": [{"content": "la"}]},
        "Tea",
    ],
    ids=str,
)
def test_a_damaged_item_is_refused_with_its_path(item: Any) -> None:
    with pytest.raises(BadTranscript, match=r"results\.items\.0"):
        read(document("Tea", [item]))


@pytest.mark.parametrize("value", [None, 5])
def test_what_is_no_json_document_is_refused(value: Any) -> None:
    with pytest.raises(BadTranscript):
        read(value)


FULL = document(
    "Tea? Two. Milk",
    numbered(TALK),
    audio_segments=[
        {"transcript": "Tea? Two.", "start_time": "0", "end_time": "0.8", "items": [0, 1, 2, 3]},
        {"transcript": "Milk", "start_time": "1", "end_time": "1.4", "items": [4]},
    ],
    segments=[{"start_time": "0", "end_time": "1", "alternatives": [{"transcript": "T"}]}],
    language_codes=[{"language_code": "en-US", "duration_in_seconds": 1.4}],
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["results", "items", "transcripts"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    return [path, *(found for key, child in pairs for found in paths(child, (*path, key)))]


def parse_and_render(data: bytes | str) -> None:
    """Do all that can be done with `data`; only `BadTranscript` may stop it, and only at first."""
    try:
        transcript = Transcript.from_json(data)
    except BadTranscript:
        return
    for kind in ("txt", "srt", "vtt", "json"):
        transcript.render(kind)
    assert transcript.confidence is None or isinstance(transcript.confidence, float)


@given(ANY_JSON)
def test_any_json_is_a_transcript_or_a_bad_one(value: Any) -> None:
    parse_and_render(json.dumps(value))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_transcript_or_a_bad_one(data: bytes) -> None:
    parse_and_render(data)


@settings(max_examples=300)
@given(st.sampled_from(paths(FULL)[1:]), ANY_JSON)
def test_a_result_with_any_damage_is_a_transcript_or_a_bad_one(
    path: tuple[Any, ...], value: Any
) -> None:
    damaged = json.loads(json.dumps(FULL))
    node = damaged
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    parse_and_render(json.dumps(damaged))


def test_a_result_cut_short_anywhere_is_refused() -> None:
    whole = json.dumps(FULL)
    assert Transcript.from_json(whole).text == "Tea? Two. Milk"
    for length in range(len(whole)):
        with pytest.raises(BadTranscript):
            Transcript.from_json(whole[:length])
