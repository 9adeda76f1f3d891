"""Recognition tasks and their results: the values that cross to a recogniser's process and back.

All times are seconds from the start of the recording. Confidences are 0 to 1.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Task:
    """One recording to recognise, with the request's options."""

    path: str
    media_format: str | None = None
    sample_rate: int | None = None
    separate_channels: bool = False
    #: Readings wanted of each utterance; 1 is the best alone.
    readings: int = 1


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `personal` and `filtered` are what redaction and a vocabulary filter concern."""

    text: str
    start: float
    end: float
    confidence: float
    personal: bool = False
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech between two pauses. `alternatives` are other readings, best first."""

    start: float
    end: float
    words: tuple[Word, ...]
    alternatives: tuple[tuple[Word, ...], ...] = ()
    channel: int = 0
    #: The text is already written as it should appear: add no capitals and no full stop.
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Recognition:
    """All speech of one recording. `media_format` and `sample_rate` (Hz) were detected."""

    duration: float
    utterances: tuple[Utterance, ...]
    media_format: str | None = None
    sample_rate: int | None = None
    channels: int = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Recognition":
        """The inverse of to_json."""
        fields = json.loads(text)
        fields["utterances"] = tuple(_utterance(each) for each in fields["utterances"])
        return cls(**fields)


def _utterance(fields: dict[str, Any]) -> Utterance:
    fields["words"] = _words(fields["words"])
    fields["alternatives"] = tuple(map(_words, fields["alternatives"]))
    return Utterance(**fields)


def _words(items: list[dict[str, Any]]) -> tuple[Word, ...]:
    return tuple(Word(**item) for item in items)
