"""Cuts sound into utterances, at pauses."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from pocketsphinx import Endpointer

from localaws.recognition.audio import BYTES_PER_SECOND

# Voice activity: how sure (0 to 3), and over how many seconds. Found by measuring word errors.
_VAD_MODE, _WINDOW = 2, 0.3
#: Seconds of sound kept on both sides of an utterance, so that soft first and last sounds stay.
_PADDING = 0.2
#: Seconds. Longer speech is cut at its quietest moment near the end: decoding takes memory and
#: time that grow with the length of an utterance.
_MAX_SECONDS, _CUT_WITHIN = 30.0, 5.0


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """Sound with speech in it: 16-bit mono at 16 kHz, from `start` seconds."""

    start: float
    pcm: bytes

    @property
    def end(self) -> float:
        return self.start + len(self.pcm) / BYTES_PER_SECOND


class Segmenter:
    """Reads sound in pieces and returns the utterances that have ended."""

    def __init__(self) -> None:
        self._endpointer = Endpointer(window=_WINDOW, vad_mode=_VAD_MODE)
        self._frame: int = self._endpointer.frame_bytes
        self._sound = bytearray()  # what may still be needed
        self._dropped = 0  # bytes before it
        self._seen = 0  # bytes of it that the endpointer has heard
        self._start: float | None = None  # of the utterance being spoken
        self._ended = 0.0  # the last utterance

    @property
    def seconds(self) -> float:
        """The length of all sound so far."""
        return (self._dropped + len(self._sound)) / BYTES_PER_SECOND

    def feed(self, pcm: bytes) -> Iterator[SpeechSegment]:
        """Add sound; returns the utterances that it ends."""
        self._sound += pcm
        while len(self._sound) - self._seen >= self._frame:
            frame = bytes(self._sound[self._seen : self._seen + self._frame])
            self._seen += self._frame
            self._endpointer.process(frame)
            if self._start is None and self._endpointer.in_speech:
                self._start = max(self._ended, self._endpointer.speech_start - _PADDING)
            if self._start is not None and not self._endpointer.in_speech:
                yield self._cut(self._endpointer.speech_end + _PADDING)
                self._start = None
            elif self._start is not None and self._now() - self._start > _MAX_SECONDS:
                pause = self._quietest()
                yield self._cut(pause)
                self._start = pause
            self._forget()

    def flush(self) -> Iterator[SpeechSegment]:
        """The sound has ended; returns an utterance that it cut off."""
        if self._start is not None:
            yield self._cut(self.seconds)
            self._start = None

    def _now(self) -> float:
        return (self._dropped + self._seen) / BYTES_PER_SECOND

    def _offset(self, seconds: float) -> int:
        samples = round(seconds * BYTES_PER_SECOND / 2)
        return min(max(0, samples * 2 - self._dropped), len(self._sound))

    def _cut(self, end: float) -> SpeechSegment:
        first = self._offset(self._start or 0.0)
        pcm = bytes(self._sound[first : self._offset(end)])
        segment = SpeechSegment((self._dropped + first) / BYTES_PER_SECOND, pcm)
        self._ended = segment.end
        return segment

    def _quietest(self) -> float:
        first = self._seen - int(_CUT_WITHIN * BYTES_PER_SECOND) // self._frame * self._frame
        loudness = {
            offset: sum(map(abs, array("h", bytes(self._sound[offset : offset + self._frame]))))
            for offset in range(first, self._seen, self._frame)
        }
        quietest = min(loudness, key=loudness.__getitem__)
        return (self._dropped + quietest + self._frame // 4 * 2) / BYTES_PER_SECOND

    def _forget(self) -> None:
        keep_from = self._now() - _WINDOW - _PADDING - 0.5 if self._start is None else self._start
        surplus = self._offset(keep_from)
        # Moving the rest to the front costs time: do it once a second, not once a frame.
        if surplus > BYTES_PER_SECOND:
            del self._sound[:surplus]
            self._dropped += surplus
            self._seen -= surplus
