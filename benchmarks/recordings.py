"""Makes small recordings, each with sound of its own."""

from __future__ import annotations

import random
import wave
from pathlib import Path

_RATE = 8000
#: The service refuses what is shorter than half a second.
_SECONDS = 0.6


def names(count: int) -> list[str]:
    """The names of the jobs: the same for every system, so that each gets the same work."""
    return [f"recording-{number:06d}" for number in range(count)]


def make(folder: Path, names: list[str]) -> None:
    """Write a WAV of some 10 KB of noise for each name."""
    frames = int(_RATE * _SECONDS)
    for name in names:
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(random.Random(name).randbytes(2 * frames))  # noqa: S311 - noise
