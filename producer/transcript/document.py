"""The JSON that Amazon Transcribe writes for a finished job, checked.

The shape is that of the Amazon Transcribe developer guide ("Data input and output"), old and new:
older documents have no item ids, no `audio_segments`, and name speakers and channels only in lists
of their own. Times and confidences come as strings and become floats. Other fields are ignored.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from producer.errors import BadTranscript

#: No recording is longer: such a document is damaged. (The service's maximum is 4 hours.)
MAX_S: Final = 1e8

Seconds = Annotated[float, Field(ge=0, le=MAX_S, allow_inf_nan=False)]
Score = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel, frozen=True):
    """A part of a document, without the fields that we do not read."""


class _Reading(_Part):
    content: str
    confidence: Score | None = None


class Item(_Part):
    id: int | None = None
    type: Literal["pronunciation", "punctuation"]
    alternatives: tuple[_Reading, ...] = Field(min_length=1)
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    speaker_label: str | None = None
    channel_label: str | None = None

    @model_validator(mode="after")
    def _spoken_words_have_times(self) -> Self:
        if self.type == "pronunciation" and (self.start_time is None or self.end_time is None):
            raise ValueError("a spoken word has no times")
        return self


class _Transcript(_Part):
    transcript: str


class _AudioSegment(_Part):
    transcript: str
    start_time: Seconds
    end_time: Seconds
    items: tuple[int, ...] = ()
    speaker_label: str | None = None
    channel_label: str | None = None


class _SpeakerTurn(_Part):
    class Item(_Part):
        start_time: Seconds
        end_time: Seconds
        speaker_label: str | None = None

    speaker_label: str | None = None
    items: tuple[Item, ...] = ()


class _SpeakerLabels(_Part):
    segments: tuple[_SpeakerTurn, ...] = ()


class _Channel(_Part):
    channel_label: str
    items: tuple[Item, ...] = ()


class _ChannelLabels(_Part):
    channels: tuple[_Channel, ...] = ()


class _SegmentReading(_Part):
    class Item(_Part):
        type: str
        confidence: Score | None = None

    transcript: str
    items: tuple[Item, ...] = ()


class _AlternativeSegment(_Part):
    start_time: Seconds
    end_time: Seconds
    alternatives: tuple[_SegmentReading, ...] = ()


class _LanguageShare(_Part):
    language_code: str
    duration_in_seconds: Score = 0.0


class Results(_Part):
    """The part of a document with the words."""

    transcripts: tuple[_Transcript, ...]
    items: tuple[Item, ...] = ()
    audio_segments: tuple[_AudioSegment, ...] = ()
    segments: tuple[_AlternativeSegment, ...] = ()
    speaker_labels: _SpeakerLabels = _SpeakerLabels()
    channel_labels: _ChannelLabels = _ChannelLabels()
    language_code: str | None = None
    language_codes: tuple[_LanguageShare, ...] = ()


class ResultDocument(_Part):
    """A whole document."""

    job_name: str = Field("", alias="jobName")
    is_redacted: bool = Field(False, alias="isRedacted")
    results: Results


def parse(source: str) -> ResultDocument:
    """Return the document in `source`, which is JSON; raise `BadTranscript` with one sentence."""
    try:
        # Pydantic's own parser bounds nesting and refuses lone surrogates with the same exception.
        return ResultDocument.model_validate_json(source)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = first["msg"].removeprefix("Value error, ").removeprefix("Invalid JSON: ")
        if first["type"] == "json_invalid":
            raise BadTranscript(f"The transcript is not whole JSON: {reason}.") from error
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise BadTranscript(f"The transcript has no {where}.") from error
        at = f" at {where}" if where else ""
        raise BadTranscript(
            f"The transcript is not a result of Amazon Transcribe{at}: {reason}."
        ) from error
