"""A length that is not certain refuses nothing: Transcribe decides."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recordings import bare_mp3, encoded, ogg_starting_at, wav, wav_header
from worker.errors import Permanent
from worker.stages.audio import open_audio
from worker.stages.lengths import MAX_SECONDS

RATE = 8000


def outcome(folder: Path, data: bytes, size: int | None = None) -> Permanent | None:
    """What is said of a recording, padded with silence to `size` bytes."""
    path = folder / "talk"
    with path.open("wb") as file:
        file.write(data)
        file.truncate(len(data) if size is None else size)
    try:
        open_audio(str(path), [folder]).file.close()
    except Permanent as error:
        return error
    return None


def opus(seconds: float) -> bytes:
    return encoded("ogg", "libopus", 48000, seconds)


def only_the_first_block() -> bytes:
    return wav_header(2 * 800) + bytes(2 * RATE * 4)


def with_a_riff_size_of_all() -> bytes:
    data = bytearray(only_the_first_block())
    struct.pack_into("<I", data, 4, len(data) - 8)
    return bytes(data)


UNCERTAIN: dict[str, Callable[[], bytes]] = {
    "two mp3 that were joined": lambda: bare_mp3(0.3) + bare_mp3(4),
    "the same, each with its tag": lambda: (
        encoded("mp3", "libmp3lame", 44100, 0.3) + encoded("mp3", "libmp3lame", 44100, 4)
    ),
    "chained ogg, the long one first": lambda: opus(4) + opus(0.3),
    "chained ogg, the short one first": lambda: opus(0.3) + opus(4),
    "WAV whose header knows its first block only": only_the_first_block,
    "the same, with the size of all": with_a_riff_size_of_all,
    "two WAV that were joined": lambda: wav(0.3) + wav(4),
    "WAV of a recorder that counts nothing": lambda: wav_header(0) + bytes(2 * RATE),
    "WAV that was cut off": lambda: wav(5 * 3600, 100)[:100_000],
    "opus whose times start at five hours": lambda: ogg_starting_at(opus(4), 5 * 3600),
    "two FLAC that were joined": lambda: (
        encoded("flac", "flac", 16000, 0.3) + encoded("flac", "flac", 16000, 4)
    ),
    "mp3 of 0.3 s": lambda: bare_mp3(0.3),
    "WAV with samples of no known size": lambda: wav_header(100, kind=0x55) + bytes(100),
}


@pytest.mark.parametrize("kind", UNCERTAIN)
def test_a_length_that_is_not_certain_refuses_nothing(tmp_path: Path, kind: str) -> None:
    assert outcome(tmp_path, UNCERTAIN[kind]()) is None


@pytest.mark.parametrize(
    ("seconds", "code"), [(0.49, "TooShort"), (0.5, None), (4 * 3600, None), (14401, "TooLong")]
)
def test_of_a_whole_wav_it_is_certain(tmp_path: Path, seconds: float, code: str | None) -> None:
    sound = 2 * round(seconds * RATE)
    error = outcome(tmp_path, wav_header(sound), 44 + sound)
    assert (error and error.code) == code


@pytest.mark.parametrize("kind", [1, 3, 6, 7])
@pytest.mark.parametrize(
    "more", [b"", b"LIST\x04\0\0\0INFO", b"cue \x03\0\0\0abc\0", b"id3 \1\0\0\0x"]
)
def test_so_it_is_with_other_samples_and_with_chunks_behind_the_sound(
    tmp_path: Path, kind: int, more: bytes
) -> None:
    bits = 32 if kind == 3 else 16 if kind == 1 else 8
    sound = bits // 8 * 3000
    data = bytearray(wav_header(sound, kind=kind, bits=bits) + bytes(sound) + more)
    struct.pack_into("<I", data, 4, len(data) - 8)
    error = outcome(tmp_path, bytes(data))
    assert error is not None
    assert error.code == "TooShort"
    assert "0.375 s" in error.message


@given(samples=st.integers(1, 499_999))
def test_what_is_shown_is_less_than_the_least(
    tmp_path_factory: pytest.TempPathFactory, samples: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    error = outcome(folder, wav_header(2 * samples, 1_000_000), 44 + 2 * samples)
    assert error is not None
    shown, least = map(float, re.findall(r"(\d\.\d+) s", error.message))
    assert shown < least == 0.5
    assert shown == pytest.approx(samples / 1_000_000, abs=0.001)


@pytest.mark.parametrize(
    ("more", "shown"), [(1, "4:00:01"), (RATE, "4:00:01"), (3599 * RATE, "4:59:59")]
)
def test_and_more_than_the_most(tmp_path: Path, more: int, shown: str) -> None:
    sound = 2 * (MAX_SECONDS * RATE + more)
    error = outcome(tmp_path, wav_header(sound), 44 + sound)
    assert error is not None
    assert f"is {shown} long" in error.message
    assert "4:00:00 is the most" in error.message
