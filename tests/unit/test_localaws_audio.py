"""Decoding recordings, their limits, and cutting sound into utterances."""

import math
import re
import struct
import wave
from itertools import chain, pairwise
from pathlib import Path

import av
import pytest

from localaws.errors import AudioError
from localaws.recognition.audio import (
    BYTES_PER_SECOND,
    check_not_too_long,
    check_not_too_short,
    open_audio,
)
from localaws.recognition.endpointing import Segmenter, SpeechSegment
from tests.support.recordings import encoded, ogg_starting_at

#: As the service words it.
TOO_LONG = (
    "Invalid file size: file size too large. Maximum audio duration is 4.000000 hours.Check the "
    "length of the file and try your request again."
)
TOO_SHORT = "The input media file length is too small. Minimum audio duration is 0.500000"
SAMPLES = Path(__file__).parents[2] / "samples"


def tone(seconds: float, rate: int = 16000, channels: int = 1) -> bytes:
    """A tone on the first channel, silence on the others."""
    frames = (
        (round(9000 * math.sin(2 * math.pi * 440 * n / rate)), *[0] * (channels - 1))
        for n in range(round(seconds * rate))
    )
    return b"".join(struct.pack(f"<{channels}h", *frame) for frame in frames)


def write_wav(path: Path, pcm: bytes, rate: int = 16000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return path


def encode(path: Path, codec: str, rate: int, seconds: float = 1.0) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size)
        frame = av.AudioFrame(format="s16", layout="mono", samples=round(seconds * rate))
        frame.planes[0].update(tone(seconds, rate).ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = rate
        for part in chain(resampler.resample(frame), resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "formats"),
    [
        ("a.mp3", "libmp3lame", 44100, ("mp3",)),
        ("a.m4a", "aac", 44100, ("m4a", "mp4")),
        ("a.flac", "flac", 22050, ("flac",)),
        ("a.ogg", "libopus", 48000, ("ogg",)),
        ("a.webm", "libopus", 48000, ("webm",)),
        ("a.wav", "pcm_mulaw", 8000, ("wav",)),
    ],
)
def test_every_format_becomes_16_khz(
    tmp_path: Path, name: str, codec: str, rate: int, formats: tuple[str, ...]
) -> None:
    with open_audio(encode(tmp_path / name, codec, rate)) as audio:
        assert audio.formats == formats
        assert audio.sample_rate == rate
        audio.check(formats[0], rate)
        pcm = b"".join(audio.pcm())

    assert len(pcm) / BYTES_PER_SECOND == pytest.approx(1.0, abs=0.1)
    loudest = max(map(abs, struct.unpack(f"<{len(pcm) // 2}h", pcm)))
    assert loudest == pytest.approx(9000, rel=0.2)


def test_stereo_is_mixed_or_kept_apart(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(1.0, channels=2), channels=2)

    with open_audio(path) as audio:
        both = b"".join(audio.pcm(2))
    with open_audio(path) as audio:
        mixed = b"".join(audio.pcm(1))

    assert both == tone(1.0, channels=2)
    assert len(mixed) == len(both) // 2
    assert any(mixed)


@pytest.mark.parametrize(
    ("media_format", "rate", "reason"),
    [
        ("mp3", None, "media format provided does not match the detected"),
        (None, 8000, "sample rate provided does not match the detected"),
    ],
)
def test_what_the_request_says_must_be_true(
    tmp_path: Path, media_format: str | None, rate: int | None, reason: str
) -> None:
    with (
        open_audio(write_wav(tmp_path / "a.wav", tone(0.6))) as audio,
        pytest.raises(AudioError, match=reason),
    ):
        audio.check(media_format, rate)


@pytest.mark.parametrize(
    ("rate", "channels", "reason"),
    [
        (6000, 1, "Invalid sample rate"),
        (96000, 1, "Invalid sample rate"),
        (16000, 3, "number of channels too large"),
    ],
)
def test_limits_of_rate_and_channels(tmp_path: Path, rate: int, channels: int, reason: str) -> None:
    path = write_wav(tmp_path / "a.wav", tone(0.1, rate, channels), rate, channels)

    with open_audio(path) as audio, pytest.raises(AudioError, match=reason):
        audio.check()


def test_more_than_four_hours_are_refused_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000 * (4 * 3600 + 1)))

    with open_audio(path) as audio, pytest.raises(AudioError, match=f"^{re.escape(TOO_LONG)}$"):
        audio.check()


def test_times_that_start_late_are_no_length(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    path.write_bytes(ogg_starting_at(encoded("ogg", "libopus", 48000, 1.0), 5 * 3600))

    with open_audio(path) as audio:
        audio.check()
        assert len(b"".join(audio.pcm())) == pytest.approx(BYTES_PER_SECOND, rel=0.05)


def test_limits_of_length() -> None:
    check_not_too_long(14_400)
    check_not_too_short(0.5)
    with pytest.raises(AudioError, match=f"^{re.escape(TOO_LONG)}$"):
        check_not_too_long(14_401)
    with pytest.raises(AudioError, match=f"^{re.escape(TOO_SHORT)}"):
        check_not_too_short(0.49)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"This is no audio.",
        bytes(5000),
        b"RIFF\0\0\0\0WAVE",
        b"ffconcat version 1.0\nfile x\n",
    ],
)
def test_what_is_not_audio_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)

    with pytest.raises(AudioError, match="Failed to parse audio"), open_audio(path) as audio:
        list(audio.pcm())


def test_a_playlist_cannot_reach_other_files(tmp_path: Path) -> None:
    write_wav(tmp_path / "secret.wav", tone(1.0))
    playlist = tmp_path / "a.wav"
    playlist.write_text("ffconcat version 1.0\nfile secret.wav\n")

    with pytest.raises(AudioError), open_audio(playlist):
        pass


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5, width=32, height=32, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))

    with pytest.raises(AudioError, match="no audio track"), open_audio(path):
        pass


def test_damage_in_the_middle_costs_only_what_is_damaged(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", "libmp3lame", 16000, seconds=3)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = b"\xff" * 500
    path.write_bytes(content)

    with open_audio(path) as audio:
        seconds = len(b"".join(audio.pcm())) / BYTES_PER_SECOND

    assert 2.0 < seconds < 3.2


def speech() -> bytes:
    with wave.open(str(SAMPLES / "two-sentences.wav")) as file:
        assert file.getframerate() == 16000
        return bytes(file.readframes(file.getnframes()))


def cut(pcm: bytes, piece: int = 4096) -> list[tuple[float, float]]:
    segmenter = Segmenter()
    found: list[SpeechSegment] = []
    for start in range(0, len(pcm), piece):
        found += segmenter.feed(pcm[start : start + piece])
    found += segmenter.flush()
    for segment in found:
        first = round(segment.start * BYTES_PER_SECOND / 2) * 2
        assert pcm[first : first + len(segment.pcm)] == segment.pcm
    assert segmenter.seconds == len(pcm) / BYTES_PER_SECOND
    return [(segment.start, segment.end) for segment in found]


def test_a_pause_separates_utterances() -> None:
    first, second = cut(speech())

    assert first[1] < second[0]


def test_the_size_of_the_pieces_does_not_matter() -> None:
    assert cut(speech(), 2) == cut(speech(), 1_000_000)


def test_speech_that_the_end_cuts_off_is_kept() -> None:
    pcm = speech()[: 2 * BYTES_PER_SECOND]

    assert cut(pcm)[-1][1] == 2.0


def test_silence_has_no_utterances() -> None:
    assert cut(bytes(3 * BYTES_PER_SECOND)) == []


def test_long_speech_is_cut_without_losing_any() -> None:
    (start, end), _ = cut(speech())
    spoken = speech()[: round(end * 16000) * 2][round((start + 0.3) * 16000) * 2 :][: -16000 // 2]

    found = cut(spoken * 25)

    assert len(found) > 1
    assert max(end - start for start, end in found) <= 30.1
    assert all(after[0] == pytest.approx(before[1]) for before, after in pairwise(found))
