"""Templates of where results go: no value adds a folder, leaves one, or hides another's file."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.cli.inputs.result_names import beside, kept_apart
from producer.contract.output import FIELDS, folded, literally, path_of, problem, values_of
from producer.contract.request import TranscriptionRequest

MOMENT = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)


def path(output: str | None, audio: str = "/r/int/anna.m4a", **others: str) -> str:
    known = {"job_id": "anna-1", "tenant": "acme", **others}
    return str(path_of(output, values_of(audio, submitted_at=MOMENT, **known)))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, "anna-1/anna"),
        ("talks", "talks/anna-1/anna"),
        ("{folder}/{stem}", "int/anna"),
        ("{tenant}/{date}/{name}", "acme/2026-01-31/anna.m4a"),
        ("a{{b}}/{id}-x", "a{b}/anna-1-x"),
    ],
)
def test_a_template_is_filled_in(output: str | None, expected: str) -> None:
    assert path(output) == expected
    assert output is None or problem(output) is None


@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        ("/r/../x.wav", ".._/x"),
        ("/x.wav", "_/x"),
        ("/r/talk.json/x.wav", "talk.json_/x"),
        ("/r/Talk.TXT. /x.wav", "Talk.TXT. _/x"),
        ("/r/f/talk.JOB.wav", "f/talk.JOB_"),
        ("/r/f/\u65e5\u672c.wav", "f/\u65e5\u672c"),
        ("/r/f/a\nb\u202ec.wav", "f/a_b_c"),
        ("/r/f/" + "\u00e4" * 120 + ".wav", "f/" + "\u00e4" * 95),
    ],
)
def test_a_name_that_would_be_in_the_way_is_changed(audio: str, expected: str) -> None:
    assert path("{folder}/{stem}", audio) == expected


def test_no_tenant_is_a_folder_too() -> None:
    assert path("{tenant}/{stem}", tenant="") == "_/anna"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), TEXTS))
def test_no_value_adds_a_folder_or_leaves_one(values: dict[str, str]) -> None:
    known = dict.fromkeys(FIELDS, "") | values
    for name in FIELDS:
        made = path_of(f"one/{{{name}}}/two", known)
        assert len(made.parts) == 3
        assert made.parts[0] == "one"
        assert made.parts[1] not in {"", ".", ".."}
        assert len(made.parts[1].encode()) <= 255
        assert not folded(made.parts[1]).endswith((".txt", ".json", ".srt", ".vtt"))


@given(TEXTS.filter(lambda text: "/" not in text and text not in {"", ".", ".."}))
def test_a_literal_path_stands_for_itself(text: str) -> None:
    assert literally(f"{text}/x").format_map({}) == f"{text}/x"


def requests(*audios: str) -> list[TranscriptionRequest]:
    return [TranscriptionRequest(audio=each, output="{stem}") for each in audios]


def test_recordings_of_one_stem_keep_their_extensions_in_any_order() -> None:
    audios = ("/r/talk.mp3", "/r/TALK.wav", "/r/other.wav")
    for order in (audios, audios[::-1]):
        outputs = {each.audio: each.output for each in kept_apart(requests(*order))}
        assert outputs == {audios[0]: "{name}", audios[1]: "{name}", audios[2]: "{stem}"}


def test_results_beside_recordings_are_in_their_folders() -> None:
    root, requests_beside = beside(requests("/r/a/x.wav", "/r/b{c}/y.wav"))
    assert str(root) == "/r"
    assert [path(each.output, each.audio) for each in requests_beside] == ["a/x", "b{c}/y"]
