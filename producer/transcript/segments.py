"""Spoken words, and the stretches of speech that they make.

What both the transcript and its subtitles are built of. Times are seconds from the start of the
audio; confidences run from 0 to 1.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A silence of this many seconds ends a segment where the service did not cut the speech itself.
PAUSE_S: Final = 1.0
#: Marks that end a sentence in the languages of Amazon Transcribe.
SENTENCE_ENDS: Final = frozenset(".?!…。？！．｡؟۔।॥։።፧")
#: Marks that belong to the word after them; all others belong to the word before.
OPENING_MARKS: Final = frozenset("¿¡([{«“‘「『（")


class Alternative(NamedTuple):
    """One reading of a word: its text and how sure the service is (None: it did not say)."""

    content: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word or a punctuation mark.

    A mark has no times in the service's document: here it stands at the end of the word before it.
    """

    content: str
    start: float
    end: float
    #: None for punctuation, which is not heard, and for redacted words.
    confidence: float | None
    speaker: str | None
    channel: str | None
    kind: Literal["pronunciation", "punctuation"]
    #: Every reading the service gave, the best (this word's own content) first.
    alternatives: tuple[Alternative, ...]
    #: Whether running text has a space before this word. Chinese and Japanese have none.
    spaced: bool = True

    @property
    def ends_sentence(self) -> bool:
        """Whether this is a mark such as a full stop. A dot inside a word ("Dr.") is none."""
        return self.kind == "punctuation" and self.content.strip()[-1:] in SENTENCE_ENDS

    @property
    def opens(self) -> bool:
        """Whether this is a mark that belongs to the word after it, such as ¿."""
        return self.kind == "punctuation" and self.content.strip() in OPENING_MARKS


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


def mean(confidences: Iterable[float | None]) -> float | None:
    """Return the mean of those that are known, or None."""
    known = [confidence for confidence in confidences if confidence is not None]
    return fmean(known) if known else None


def plain(text: str) -> str:
    """Return `text` on one line, with single spaces: what a line-based format can carry."""
    return " ".join(text.replace("\0", "").split())


def join(pieces: Iterable[tuple[str, bool]]) -> str:
    """Return one line of (text, space before it?) pieces; blank pieces leave no trace."""
    line = ""
    for text, spaced in pieces:
        if text:
            line += f" {text}" if line and spaced else text
    return line


def running_text(words: Iterable[Word]) -> str:
    """Return words as one line of prose."""
    return join((plain(word.content), word.spaced) for word in words)


def span(words: Sequence[Word]) -> tuple[float, float]:
    """Return when speech begins and ends in `words` (at least one)."""
    # An opening mark stands at the end of the word before it, perhaps long before its own word.
    spoken = next((word for word in words if word.kind == "pronunciation"), words[0])
    return spoken.start, max(word.end for word in words)


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
