"""Subtitle files (SubRip, WebVTT) from a result document."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

#: A cue ends where it would get longer than this: two lines of 42 characters, as is usual.
_MAX_CHARACTERS, _MAX_SECONDS = 84, 7.0

Cue = tuple[float, float, str]

CONTENT_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt"}


def subtitles(kind: str, document: Json, first_index: int) -> str:
    """The file of this kind, `srt` or `vtt`, with cues numbered from `first_index`."""
    comma = "," if kind == "srt" else "."
    blocks = [
        f"{number}\n{_clock(start, comma)} --> {_clock(end, comma)}\n{text}\n"
        for number, (start, end, text) in enumerate(_cues(document), first_index)
    ]
    return "\n".join(blocks if kind == "srt" else ["WEBVTT\n", *blocks])


def _cues(document: Json) -> Iterator[Cue]:
    items = document["results"]["items"]
    for segment in document["results"]["audio_segments"]:
        start, end, text = 0.0, 0.0, ""
        for item in (items[number] for number in segment["items"]):
            content = item["alternatives"][0]["content"]
            if item["type"] == "punctuation":
                text += content
                continue
            item_start, ends = float(item["start_time"]), float(item["end_time"])
            longer = f"{text} {content}"
            if text and (len(longer) > _MAX_CHARACTERS or ends - start > _MAX_SECONDS):
                yield start, end, text
                text = ""
            start, text = (start, longer) if text else (item_start, content)
            end = ends
        if text:
            yield start, end, text


def _clock(seconds: float, separator: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{separator}{milliseconds:03}"
