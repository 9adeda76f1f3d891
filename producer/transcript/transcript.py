"""What was said in a recording, when and by whom: `Transcript`, and its output formats."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType
from typing import Self

from producer.contract.formats import Format
from producer.errors import BadTranscript
from producer.transcript import document as result_document
from producer.transcript import reader
from producer.transcript.segments import AlternativeSegment, Segment
from producer.transcript.spacing import join, plain
from producer.transcript.subtitles import srt, vtt
from producer.transcript.words import Word, mean


@dataclass(frozen=True, slots=True)
class Transcript:
    """What Amazon Transcribe heard in one recording. Times are in seconds from its start.

    Made by `from_json`. A recording without speech has empty text and no words.
    """

    job_name: str
    #: Every plain transcript in the document. The service writes one.
    transcripts: tuple[str, ...]
    #: Words and punctuation marks in the document's order.
    words: tuple[Word, ...] = field(repr=False)
    #: Stretches of speech by one speaker: the service's own where it gives them, else ours, cut at
    #: sentence ends, pauses of a second and changes of speaker.
    segments: tuple[Segment, ...] = field(repr=False)
    #: Other readings of each stretch of speech, if the request asked for them (`ShowAlternatives`).
    alternatives: tuple[AlternativeSegment, ...] = field(repr=False)
    #: Codes such as en-US, the most spoken first. The service names only those that it identified;
    #: else it is the one that was asked for, if the reader said so.
    languages: tuple[str, ...]
    #: Whether personal data was cut out of this document.
    is_redacted: bool
    _source: str = field(repr=False)

    @classmethod
    def from_json(cls, data: bytes | str, *, language: str | None = None) -> Self:
        """Read a result document.

        Args:
            data: the document, in UTF-8 where it is bytes.
            language: what the job asked for, if that was one language: the document of such a job
                names none.

        Raises:
            BadTranscript: if it is not a whole document.
        """
        try:
            source = data.decode() if isinstance(data, bytes) else data
        except UnicodeDecodeError as error:
            raise BadTranscript("The transcript is not JSON: it is not UTF-8 text.") from error
        document = result_document.parse(source.removeprefix("\ufeff"))
        results = document.results
        words = reader.words(results)
        return cls(
            job_name=document.job_name,
            transcripts=tuple(part.transcript for part in results.transcripts),
            words=words,
            segments=reader.segments(results, words),
            alternatives=reader.alternatives(results),
            languages=reader.languages(results) or ((language,) if language else ()),
            is_redacted=document.is_redacted,
            _source=source,
        )

    @property
    def text(self) -> str:
        """The plain transcript: `results.transcripts[0]`, or an empty string."""
        return self.transcripts[0] if self.transcripts else ""

    @property
    def language(self) -> str | None:
        """The language, the most spoken one of several, or None where it is not known."""
        return self.languages[0] if self.languages else None

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers' labels (spk_0, …) in the order in which they first speak."""
        return tuple(dict.fromkeys(word.speaker for word in self.words if word.speaker))

    @property
    def confidence(self) -> float | None:
        """The mean confidence of the spoken words, from 0 to 1; None where no word has one."""
        return mean(word.confidence for word in self.words)

    def render(self, format_: Format, /) -> str:
        """Return the transcript in an output format.

        `txt` is a paragraph, or a `spk_0: …` (or `ch_0: …`) line for each turn of a talk. Without
        speech, `txt` and `srt` are empty and `vtt` is its header. `json` is the document as it was
        read: in UTF-8 it is the same bytes.

        Raises:
            ValueError: if there is no such format.
        """
        if format_ not in _WRITERS:
            raise ValueError(f"Unknown format {format_!r}: it is one of {', '.join(_WRITERS)}.")
        return _WRITERS[format_](self)


def _text(transcript: Transcript) -> str:
    if any(segment.label for segment in transcript.segments):
        turns = groupby(transcript.segments, key=lambda part: (part.label, part.channel))
        return "".join(f"{_turn(label, parts)}\n" for (label, _), parts in turns)
    return "\n".join(f"{text}\n" for text in map(plain, transcript.transcripts) if text)


def _turn(label: str | None, parts: Iterable[Segment]) -> str:
    text = join((plain(part.text), not part.words or part.words[0].spaced) for part in parts)
    return f"{plain(label)}: {text}" if label else text


#: How each output format is written.
_WRITERS: Mapping[Format, Callable[[Transcript], str]] = MappingProxyType(
    {
        "txt": _text,
        "srt": lambda transcript: srt(transcript.segments),
        "vtt": lambda transcript: vtt(transcript.segments),
        "json": lambda transcript: transcript._source,
    }
)
