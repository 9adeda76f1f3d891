"""Speech recognition with pocketsphinx and the US English model in its wheel.

It blocks the interpreter for a whole utterance and so runs in processes of its own: program.py.
It knows neither jobs nor AWS.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pocketsphinx import Decoder

from localaws.recognition.audio import Audio, check_not_too_long, check_not_too_short, open_audio
from localaws.recognition.endpointing import Segmenter, SpeechSegment
from localaws.transcribe.speech import Recognition, Task, Utterance, Word

#: The decoder counts in frames of 10 ms.
_FRAMES_PER_SECOND = 100
#: Hypotheses to search for different readings; many differ in pauses only.
_HYPOTHESES = 60
_VARIANT = re.compile(r"\(\d+\)$")


class Recogniser:
    """A decoder, which needs 0.6 s and 110 MB to load. One utterance at a time."""

    def __init__(self) -> None:
        # The decoder's defaults: every change that was measured made it slower or worse.
        self._decoder: Any = Decoder(loglevel="FATAL")
        self._search: str = self._decoder.current_search()

    def recognise(self, task: Task) -> Recognition:
        """Raises AudioError where the recording cannot be transcribed."""
        with open_audio(Path(task.path)) as audio:
            audio.check(task.media_format, task.sample_rate)
            channels = audio.channels if task.separate_channels else 1
            segmenters = [Segmenter() for _ in range(channels)]
            utterances = [
                self._utterance(segment, channel, task.readings)
                for channel, segment in _segments(audio, segmenters)
            ]
            check_not_too_short(segmenters[0].seconds)
            return Recognition(
                duration=segmenters[0].seconds,
                utterances=tuple(
                    sorted(filter(None, utterances), key=lambda each: (each.start, each.channel))
                ),
                media_format=task.media_format or audio.formats[0],
                sample_rate=audio.sample_rate,
                channels=channels,
            )

    def _utterance(self, segment: SpeechSegment, channel: int, readings: int) -> Utterance | None:
        self._decode(segment.pcm)
        words = self._words(segment.start)
        if not words:
            return None
        others = self._other_readings(segment, words, readings - 1) if readings > 1 else ()
        return Utterance(segment.start, segment.end, words, others, channel)

    def _decode(self, pcm: bytes) -> None:
        decoder = self._decoder
        # Without this, the utterance before changes the result.
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()

    def _words(self, offset: float) -> tuple[Word, ...]:
        if self._decoder.hyp() is None:
            return ()
        return tuple(
            Word(
                text=text,
                start=offset + segment.start_frame / _FRAMES_PER_SECOND,
                end=offset + (segment.end_frame + 1) / _FRAMES_PER_SECOND,
                # Rounding in the decoder's logarithms takes it slightly past 1.
                confidence=min(1.0, max(0.0, segment.prob)),
            )
            for segment in self._decoder.seg()
            if (text := _plain(segment.word))
        )

    def _other_readings(
        self, segment: SpeechSegment, best: tuple[Word, ...], wanted: int
    ) -> tuple[tuple[Word, ...], ...]:
        """Other readings with real times, from aligning each with the sound again.

        The decoder has no confidence for their words: each word gets its reading's share of the
        scores of all readings.
        """
        scores: dict[str, float] = {}
        for guess in itertools.islice(self._decoder.nbest(), _HYPOTHESES):
            text = " ".join(filter(None, map(_plain, (guess.hypstr or "").split())))
            scores[text] = max(scores.get(text, 0.0), guess.score)
        total = sum(scores.values()) or 1.0
        best_text = " ".join(word.text for word in best)
        others = [text for text in sorted(scores, key=scores.__getitem__, reverse=True) if text]
        others = [text for text in others if text != best_text][:wanted]
        try:
            return tuple(
                reading
                for text in others
                if (reading := self._align(segment, text, scores[text] / total))
            )
        finally:
            self._decoder.activate_search(self._search)

    def _align(self, segment: SpeechSegment, text: str, share: float) -> tuple[Word, ...]:
        try:
            self._decoder.set_align_text(text)
            self._decode(segment.pcm)
        except RuntimeError:
            return ()  # The text does not fit the sound, so it is no reading.
        return tuple(
            Word(word.text, word.start, word.end, share) for word in self._words(segment.start)
        )


def _segments(audio: Audio, segmenters: list[Segmenter]) -> Iterator[tuple[int, SpeechSegment]]:
    """The utterances of every channel, while the sound is decoded."""
    channels = len(segmenters)
    for pcm in audio.pcm(channels):
        for channel, segmenter in enumerate(segmenters):
            mono = pcm if channels == 1 else _one_of_two(pcm, channel)
            for segment in segmenter.feed(mono):
                yield channel, segment
        check_not_too_long(segmenters[0].seconds)
    for channel, segmenter in enumerate(segmenters):
        for segment in segmenter.flush():
            yield channel, segment


def _one_of_two(pcm: bytes, channel: int) -> bytes:
    return memoryview(pcm).cast("h")[channel::2].tobytes()


def _plain(token: str) -> str:
    """The word without its pronunciation variant; empty for pauses and noises."""
    return "" if token.startswith(("<", "[", "+")) else _VARIANT.sub("", token)
