"""Segments -> cues -> SubRip (srt) and WebVTT (vtt).

A cue is cut where a reader expects it: at a sentence's end, at a change of speaker, at a pause, and
before it grows past two lines or seven seconds. Cues never overlap and their order is that of time.
WebVTT: https://www.w3.org/TR/webvtt1/. SubRip has no standard; this is what players agree on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from producer.transcript.segments import PAUSE_S, Segment
from producer.transcript.spacing import join, running_text
from producer.transcript.words import Word, span

#: Characters in a line; a single longer word keeps a line of its own.
MAX_LINE: Final = 42
#: Lines in a cue.
MAX_LINES: Final = 2
#: How long a cue stays at most, in milliseconds.
MAX_CUE_MS: Final = 7_000
#: How long a cue stays at least, so that it can be seen.
MIN_CUE_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Cue:
    """Up to two lines of text, shown from `start_ms` until `end_ms` of the audio."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    #: The speaker or channel, if known.
    label: str | None


def cues(segments: Iterable[Segment]) -> list[Cue]:
    """Return the cues of `segments`: in order, none overlapping, every word in exactly one."""
    rough = [_cue(group, segment.label) for segment in segments for group in _groups(segment.words)]
    return _apart(rough)


def srt(segments: Iterable[Segment]) -> str:
    """Return SubRip text, numbered from 1; without speech an empty string."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        # Players read an arrow in the text as a timing line, and SubRip knows no escape.
        + "".join(f"{line.replace('-->', '→')}\n" for line in cue.lines)
        for number, cue in enumerate(cues(segments), start=1)
    )


def vtt(segments: Iterable[Segment]) -> str:
    """Return WebVTT text with `<v speaker>` tags; without speech only the header."""
    blocks = ["WEBVTT\n"]
    for cue in cues(segments):
        voice = f"<v {_escaped(cue.label)}>" if cue.label else ""
        text = "\n".join(map(_escaped, cue.lines))
        timing = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        blocks.append(f"{timing}\n{voice}{text}\n")
    return "\n".join(blocks)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _units(words: Iterable[Word]) -> list[list[Word]]:
    """Return each word with the marks that belong to it: what no line or cue may part."""
    units: list[list[Word]] = []
    for word in words:
        attached = word.kind == "punctuation" and not word.opens
        if units and (attached or units[-1][-1].opens):
            units[-1].append(word)
        else:
            units.append([word])
    # A word that was filtered out may leave blank content, and a blank cue breaks the format.
    return [unit for unit in units if running_text(unit)]


def _groups(words: Iterable[Word]) -> Iterator[list[list[Word]]]:
    """Yield the units that make one cue."""
    group: list[list[Word]] = []
    for unit in _units(words):
        if group and _is_full(group, unit):
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def _is_full(group: list[list[Word]], unit: list[Word]) -> bool:
    """Whether `unit` must begin a cue of its own."""
    last = group[-1]
    shown_from, (start, end) = span(group[0])[0], span(unit)
    return (
        any(word.ends_sentence for word in last)
        or start - span(last)[1] > PAUSE_S
        or (end - shown_from) * 1000 > MAX_CUE_MS
        or len(_lines([*group, unit])) > MAX_LINES
    )


def _lines(group: Sequence[list[Word]]) -> tuple[str, ...]:
    """Return the text of `group`, each line as full as it may be."""
    lines: list[str] = []
    for unit in group:
        text, spaced = running_text(unit), unit[0].spaced
        longer = join([(lines[-1], False), (text, spaced)]) if lines else ""
        if lines and len(longer) <= MAX_LINE:
            lines[-1] = longer
        else:
            lines.append(text)
    return tuple(lines)


def _cue(group: Sequence[list[Word]], label: str | None) -> Cue:
    start, end = span([word for unit in group for word in unit])
    return Cue(round(start * 1000), round(end * 1000), _lines(group), label)


def _apart(rough: Sequence[Cue]) -> list[Cue]:
    """Move cues so far that none overlaps the next.

    Two people talk at once, and a damaged document may say anything. A cue keeps its start where it
    can, because that is what a reader hears, and gives up its end when the next one begins.
    """
    starts: list[int] = []
    for cue in rough:
        starts.append(max(cue.start_ms, starts[-1] + MIN_CUE_MS) if starts else cue.start_ms)
    ends = [
        min(max(cue.end_ms, start + MIN_CUE_MS), start + MAX_CUE_MS)
        for cue, start in zip(rough, starts, strict=True)
    ]
    for number, (_, following) in enumerate(pairwise(starts)):
        ends[number] = min(ends[number], following)
    return [
        Cue(start, end, cue.lines, cue.label)
        for cue, start, end in zip(rough, starts, ends, strict=True)
    ]
