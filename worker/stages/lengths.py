"""How long a recording is, where its header is certain to say so; elsewhere Transcribe decides.

Only a WAV with samples of one size (PCM, float, A-law, mu-law) is certain, if its header agrees
with the file: the sound has as many bytes as it says, and whole chunks follow to the end of the
file. A file that was joined, cut off, recorded to a pipe or is still being written does not agree.

No other container is certain. mp3, FLAC and ogg describe what was written first, and more may be
joined to it; the times of ogg need not start at 0; MP4 and WebM may go on in fragments.
"""

import math
import struct
from typing import BinaryIO

from worker.errors import Permanent

#: Source: Amazon Transcribe's guidelines and quotas.
MIN_SECONDS = 0.5
MAX_SECONDS = 4 * 3600
#: PCM, float, A-law and mu-law, by their numbers in a WAV's header.
_FIXED_SIZE = frozenset({1, 3, 6, 7})
_EXTENSIBLE = 0xFFFE
#: A header has a handful; one that names more is no header.
_MAX_CHUNKS = 100


def check_length(file: BinaryIO, size: int, name: str) -> None:
    """Refuse a recording of `size` bytes that is certain to be too short or too long.

    Raises:
        Permanent: with the figure, which shows on which side of the bound it is.
    """
    seconds = wav_seconds(file, size)
    if seconds is None:
        return
    if seconds < MIN_SECONDS:
        least = f"{MIN_SECONDS} s is the least that Amazon Transcribe accepts"
        milliseconds = math.floor(seconds * 1000)
        raise Permanent("TooShort", f"{name} is {milliseconds / 1000:.3f} s long; {least}.")
    if seconds > MAX_SECONDS:
        whole = math.ceil(seconds)
        length = f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
        raise Permanent(
            "TooLong",
            f"{name} is {length} long (hours, minutes, seconds); 4:00:00 is the most that Amazon "
            "Transcribe accepts. Cut it, for example: "
            "ffmpeg -i IN -c copy -f segment -segment_time 14000 OUT%02d.wav.",
        )


def wav_seconds(file: BinaryIO, size: int) -> float | None:
    """How long a WAV of `size` bytes is; None if it is not a WAV, or its header is not certain."""
    file.seek(0)
    riff = file.read(12)
    if riff[:4] != b"RIFF" or riff[8:] != b"WAVE" or _end(0, riff[4:8]) not in {size, size + 1}:
        return None
    byte_rate, sound = 0, None
    at = 12
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return None
        if head[:4] == b"fmt ":
            byte_rate = _byte_rate(file.read(40))
        elif head[:4] == b"data":
            if sound is not None:
                return None
            sound = int.from_bytes(head[4:], "little")
        at = _end(at, head[4:])
        # Some programs omit the byte that makes the length of the last chunk even.
        if at in {size, size + 1}:
            return sound / byte_rate if sound is not None and byte_rate else None
    return None


def _end(at: int, length: bytes) -> int:
    """Where a chunk ends that begins at `at`; their lengths are made even."""
    count = int.from_bytes(length, "little")
    return at + 8 + count + count % 2


def _byte_rate(form: bytes) -> int:
    """Bytes a second, by a `fmt ` chunk; 0 if samples are of different sizes, or it is wrong."""
    if len(form) < 16:
        return 0
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", form)
    if kind == _EXTENSIBLE and len(form) >= 26:
        kind = int.from_bytes(form[24:26], "little")
    if kind not in _FIXED_SIZE or block * 8 != channels * bits:
        return 0
    return int(block * rate)
