"""Segments become subtitles that players can read."""

import html
import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from producer.transcript.segments import Segment, cut
from producer.transcript.spacing import plain
from producer.transcript.subtitles import (
    MAX_CUE_MS,
    MAX_LINE,
    MAX_LINES,
    MIN_CUE_MS,
    cues,
    srt,
    vtt,
)
from producer.transcript.words import Word

TIMING = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})")


def word(
    content: str, start: float = 0.0, end: float | None = None, *, speaker: str | None = None
) -> Word:
    return Word(
        content,
        start,
        start + 0.3 if end is None else end,
        confidence=0.9,
        speaker=speaker,
        channel=None,
        kind="pronunciation",
        alternatives=(),
    )


def stop(at: float, content: str = ".", *, speaker: str | None = None) -> Word:
    return Word(content, at, at, None, speaker, None, "punctuation", (), spaced=False)


def sentence(count: int, step: float = 0.3) -> list[Word]:
    words = [word(f"word{n:02}", n * step, (n + 1) * step) for n in range(count)]
    return [*words, stop(count * step)]


def texts(words: list[Word]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(cut(words))]


def test_srt_is_numbered_from_one_with_commas() -> None:
    words = [word("Yes", 1.0, 2.0), stop(2.0), word("No", 3.25, 4.0), stop(4.0, "!")]
    assert srt(cut(words)) == (
        "1\n00:00:01,000 --> 00:00:02,000\nYes.\n\n2\n00:00:03,250 --> 00:00:04,000\nNo!\n"
    )


def test_vtt_has_a_header_voices_and_escapes() -> None:
    words = [word("A<B>&C", 1.0, 2.0, speaker="spk_<0>"), stop(2.0, speaker="spk_<0>")]
    assert vtt(cut(words)) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n<v spk_&lt;0&gt;>A&lt;B&gt;&amp;C.\n"
    )


def test_without_speech_the_files_are_empty_and_valid() -> None:
    assert srt(()) == ""
    assert vtt(()) == "WEBVTT\n"


def test_a_cue_ends_with_a_sentence_or_a_pause_inside_a_segment_of_the_service() -> None:
    words = (word("One", 0.0), stop(0.3), word("Two", 0.4), word("Three", 2.0))
    segment = Segment(0.0, 3.0, "One. Two Three", None, None, words)
    assert [cue.lines for cue in cues([segment])] == [("One.",), ("Two",), ("Three",)]


def test_the_marks_of_one_sentence_stay_together() -> None:
    words = [word("Really", 0.0), stop(0.3, "?"), stop(0.3, "!"), word("Yes", 0.4)]
    assert texts(words) == [("Really?!",), ("Yes",)]


def test_a_long_sentence_is_cut_into_cues_of_two_lines() -> None:
    lines = texts(sentence(20))
    assert lines == [
        (
            "word00 word01 word02 word03 word04 word05",
            "word06 word07 word08 word09 word10 word11",
        ),
        ("word12 word13 word14 word15 word16 word17", "word18 word19."),
    ]


def test_slow_speech_is_cut_by_time() -> None:
    found = cues(cut(sentence(10, step=1.0)))
    assert [cue.end_ms - cue.start_ms for cue in found] == [7000, 3000]


def test_a_word_longer_than_a_line_keeps_a_line_of_its_own() -> None:
    long = "a" * 60
    assert texts([word("So", 0.0), word(long, 0.3), word("it", 0.6)]) == [("So", long), ("it",)]


def test_hours_grow_past_ninety_nine() -> None:
    words = [word("Late", 360_000.5, 360_001.0)]
    assert "100:00:00,500 --> 100:00:01,000" in srt(cut(words))
    assert "100:00:00.500 --> 100:00:01.000" in vtt(cut(words))


def test_a_cue_ends_before_the_next_and_stays_long_enough_to_read() -> None:
    words = [word("Long", 0.0, 5.0, speaker="a"), word("Hm", 2.0, 2.1, speaker="b")]
    assert [(cue.start_ms, cue.end_ms) for cue in cues(cut(words))] == [(0, 2000), (2000, 2500)]


def test_text_cannot_break_the_format() -> None:
    words = [word("a-->\n\nb\r\n1\0", 0.0), word("\n", 0.3), word("--", 0.6), stop(0.9, ">")]
    for text in (srt(cut(words)), vtt(cut(words))):
        assert text.count("-->") == 1
        assert "\n\n" not in text.removeprefix("WEBVTT\n\n")
        assert "\r" not in text
    assert srt(cut(words)).splitlines()[2:] == ["a→ b 1 →"]
    assert vtt(cut(words)).splitlines()[3:] == ["a--&gt; b 1 --&gt;"]


CONTENT = st.text(alphabet="abé。<>&- \n\r\0\x85\u2028", max_size=12)


@st.composite
def talks(draw: st.DrawFn, *, tidy: bool = True) -> list[Word]:
    """Words of two speakers; with `tidy` times never run back."""
    found: list[Word] = []
    now = 0.0
    for _ in range(draw(st.integers(0, 30))):
        speaker = draw(st.sampled_from([None, "spk_0", "spk_1"]))
        if draw(st.integers(0, 4)) == 0:
            content = draw(st.sampled_from([".", ",", "?", "¿", ">", "-->"]))
            found.append(stop(now, content, speaker=speaker))
            continue
        low = now if tidy else 0.0
        start = draw(st.floats(low, low + 3.0 if tidy else 1e6))
        now = start + draw(st.floats(0.0, 9.0))
        found.append(word(draw(CONTENT), start, now, speaker=speaker))
    return found


def squeezed(text: str) -> str:
    return "".join(text.split()).replace("→", "-->")


def milliseconds(clock: str) -> int:
    match = TIMING.fullmatch(clock)
    assert match
    hours, minutes, seconds, ms = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def check_blocks(blocks: list[list[str]]) -> list[str]:
    """Check the timing line at the head of each block; return the lines of text after them."""
    spans = []
    for timing, *lines in blocks:
        start, end = map(milliseconds, timing.split(" --> "))
        spans.append((start, end))
        assert lines
        assert all(line.strip() and "-->" not in line for line in lines)
    assert all(MIN_CUE_MS <= end - start <= MAX_CUE_MS for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    return [line for _, *lines in blocks for line in lines]


@settings(max_examples=200)
@given(talks() | talks(tidy=False))
def test_cues_never_overlap_and_contain_every_word_once_in_order(words: list[Word]) -> None:
    segments = cut(words)
    spoken = [w for segment in segments for w in segment.words]
    said = squeezed("".join(plain(w.content) for w in words))
    assert squeezed("".join(plain(w.content) for w in spoken)) == said

    blocks = [block.splitlines() for block in srt(segments).split("\n\n") if block]
    assert [block[0] for block in blocks] == [str(n + 1) for n in range(len(blocks))]
    assert squeezed("".join(check_blocks([block[1:] for block in blocks]))) == said

    header, *rest = vtt(segments).split("\n\n")
    assert header.strip() == "WEBVTT"
    lines = check_blocks([block.splitlines() for block in rest])
    bare = [html.unescape(re.sub(r"<v spk_\d>", "", line)) for line in lines]
    assert squeezed("".join(bare)) == said


@given(st.lists(st.text("abc", min_size=1, max_size=20), max_size=60))
def test_no_cue_grows_past_two_lines_of_forty_two(contents: list[str]) -> None:
    words = [word(content, n * 0.2, (n + 1) * 0.2) for n, content in enumerate(contents)]
    found = cues(cut(words))
    assert all(len(cue.lines) <= MAX_LINES for cue in found)
    assert all(len(line) <= MAX_LINE for cue in found for line in cue.lines)
    assert " ".join(line for cue in found for line in cue.lines) == " ".join(contents)
