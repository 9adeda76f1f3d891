"""Speech recognition with pocketsphinx and the US English model in its wheel.

It holds the interpreter for the whole of an utterance, so it runs in processes of its own: see
zygote.py. Nothing here knows of jobs or AWS.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pocketsphinx import Decoder

from localaws.recognition.audio import Audio, check_not_too_long, check_not_too_short, open_audio
from localaws.recognition.endpointing import Cutter, Stretch
from localaws.transcribe.speech import Recognition, Task, Utterance, Word

#: The decoder counts in frames of 10 ms.
_FRAMES_PER_SECOND = 100
#: How many hypotheses are looked at to find different readings; many differ in pauses only.
_HYPOTHESES = 60
_VARIANT = re.compile(r"\(\d+\)$")


class Recogniser:
    """Holds the decoder, which takes 0.6 s and 110 MB to load. One utterance at a time."""

    def __init__(self) -> None:
        # The decoder's defaults: every change that was measured made it slower or worse.
        self._decoder: Any = Decoder(loglevel="FATAL")
        self._search: str = self._decoder.current_search()

    def recognise(self, task: Task) -> Recognition:
        """Raises AudioError where the recording cannot be transcribed."""
        with open_audio(Path(task.path)) as audio:
            audio.check(task.media_format, task.sample_rate)
            channels = audio.info.channels if task.separate_channels else 1
            cutters = [Cutter() for _ in range(channels)]
            utterances = [
                self._utterance(stretch, channel, task.readings)
                for channel, stretch in _stretches(audio, cutters)
            ]
            check_not_too_short(cutters[0].seconds)
            return Recognition(
                duration=cutters[0].seconds,
                utterances=tuple(
                    sorted(filter(None, utterances), key=lambda each: (each.start, each.channel))
                ),
                media_format=task.media_format or audio.info.formats[0],
                sample_rate=audio.info.sample_rate,
                channels=channels,
            )

    def _utterance(self, stretch: Stretch, channel: int, readings: int) -> Utterance | None:
        self._decode(stretch.pcm)
        words = self._words(stretch.start)
        if not words:
            return None
        others = self._other_readings(stretch, words, readings - 1) if readings > 1 else ()
        return Utterance(stretch.start, stretch.end, words, others, channel)

    def _decode(self, pcm: bytes) -> None:
        decoder = self._decoder
        # Without this, what was heard before changes what is heard now.
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
        self, stretch: Stretch, best: tuple[Word, ...], wanted: int
    ) -> tuple[tuple[Word, ...], ...]:
        """Other readings with real times, from aligning each with the sound again.

        The decoder tells no confidence for their words: each gets its reading's share of the
        scores of all readings that were looked at.
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
                if (reading := self._align(stretch, text, scores[text] / total))
            )
        finally:
            self._decoder.activate_search(self._search)

    def _align(self, stretch: Stretch, text: str, share: float) -> tuple[Word, ...]:
        try:
            self._decoder.set_align_text(text)
            self._decode(stretch.pcm)
        except RuntimeError:
            return ()  # It cannot be fitted to the sound: then it is no reading of it.
        return tuple(
            Word(word.text, word.start, word.end, share) for word in self._words(stretch.start)
        )


def _stretches(audio: Audio, cutters: list[Cutter]) -> Iterator[tuple[int, Stretch]]:
    """The utterances of every channel, while the sound is decoded."""
    channels = len(cutters)
    for pcm in audio.pcm(channels):
        for channel, cutter in enumerate(cutters):
            mono = pcm if channels == 1 else _one_of_two(pcm, channel)
            for stretch in cutter.feed(mono):
                yield channel, stretch
        check_not_too_long(cutters[0].seconds)
    for channel, cutter in enumerate(cutters):
        for stretch in cutter.flush():
            yield channel, stretch


def _one_of_two(pcm: bytes, channel: int) -> bytes:
    return memoryview(pcm).cast("h")[channel::2].tobytes()


def _plain(token: str) -> str:
    """The word without its pronunciation variant; nothing for pauses and noises."""
    return "" if token.startswith(("<", "[", "+")) else _VARIANT.sub("", token)
