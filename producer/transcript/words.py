"""Spoken words and punctuation marks, with every reading of each.

Times are seconds from the start of the audio; confidences run from 0 to 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal, NamedTuple

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
        """Whether this is a mark such as a full stop. A dot inside a word ("Dr.") is not."""
        return self.kind == "punctuation" and self.content.strip()[-1:] in SENTENCE_ENDS

    @property
    def opens(self) -> bool:
        """Whether this is a mark that belongs to the word after it, such as ¿."""
        return self.kind == "punctuation" and self.content.strip() in OPENING_MARKS


def mean(confidences: Iterable[float | None]) -> float | None:
    """Return the mean of those that are known, or None."""
    known = [confidence for confidence in confidences if confidence is not None]
    return fmean(known) if known else None


def span(words: Sequence[Word]) -> tuple[float, float]:
    """Return when speech begins and ends in `words` (at least one)."""
    # An opening mark stands at the end of the word before it, perhaps long before its own word.
    spoken = next((word for word in words if word.kind == "pronunciation"), words[0])
    return spoken.start, max(word.end for word in words)
