"""Stretches of speech by one speaker: the service's own, or cut here."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from producer.transcript.spacing import running_text
from producer.transcript.words import Word, span

#: A silence of this many seconds ends a segment where the service did not cut the speech itself.
PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech by one speaker on one channel. `label` says whose it is, if known."""

    start: float
    end: float
    text: str
    speaker: str | None
    channel: str | None
    words: tuple[Word, ...]

    @property
    def label(self) -> str | None:
        """The speaker, else the channel, else None."""
        return self.speaker or self.channel


class SegmentReading(NamedTuple):
    """One reading of a stretch of speech; `confidence` is the mean of its words'."""

    transcript: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class AlternativeSegment:
    """A stretch of speech and every reading of it, the best first."""

    start: float
    end: float
    alternatives: tuple[SegmentReading, ...]


def merge(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return segments in order of time, without ever reordering those of one channel."""
    channels: dict[str | None, list[Segment]] = {}
    for segment in segments:
        channels.setdefault(segment.channel, []).append(segment)
    return tuple(heapq.merge(*channels.values(), key=lambda segment: segment.start))


def cut(words: Iterable[Word]) -> tuple[Segment, ...]:
    """Cut words into segments at sentence ends, pauses and changes of speaker.

    Channels are cut one by one, because people on two lines talk at once.
    """
    parts: list[list[Word]] = []
    latest: dict[str | None, list[Word]] = {}
    for word in words:
        part = latest.get(word.channel)
        if part and not _is_break(part[-1], word):
            part.append(word)
        else:
            latest[word.channel] = [word]
            parts.append(latest[word.channel])
    return merge(_segment_of(part) for part in parts)


def _segment_of(words: Sequence[Word]) -> Segment:
    start, end = span(words)
    first = words[0]
    return Segment(start, end, running_text(words), first.speaker, first.channel, tuple(words))


def _is_break(before: Word, word: Word) -> bool:
    if word.speaker != before.speaker:
        return True
    # The marks of "Really?!" stay together, and an opening mark stays with its word.
    if before.opens or (word.kind == "punctuation" and not word.opens):
        return False
    return before.ends_sentence or word.start - before.end > PAUSE_S
