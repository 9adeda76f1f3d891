"""Frames of MPEG audio (mp3) and of AAC without a container (ADTS).

Such files have no header of their own. Each frame has one, which says where the next frame begins.
A header is recognised by a few bits, so only several frames in a row are certain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: This many frames in a row are no accident.
_ROW = 4

# Source: ISO 11172-3 and 13818-3, kbit/s by the header's index, for [MPEG-1, later][layer - 1].
_KBITS = (
    (
        (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    ),
    (
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    ),
)
_HERTZ = (44_100, 48_000, 32_000)


@dataclass(frozen=True)
class Frame:
    """What the header of one frame says."""

    #: in bytes, with the header; 0 if the header does not say
    length: int
    #: what all frames of a stream have in common
    kind: tuple[int, ...]


#: Reads the header of a frame at a position in some bytes; None if there is none.
Reader = Callable[[bytes, int], Frame | None]


def mpeg_frame(data: bytes, at: int = 0) -> Frame | None:
    """The frame of MPEG audio, layers I to III, whose header is at `at`; None if there is none."""
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bits, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bits == 15 or rate == 3:
        return None
    is_later = version != 3
    hertz = _HERTZ[rate] >> (0 if version == 3 else 1 if version == 2 else 2)
    kbits = _KBITS[is_later][layer - 1][bits]
    padding = header[2] >> 1 & 1
    if layer == 1:
        length = (12_000 * kbits // hertz + padding) * 4
    else:
        length = (72_000 if is_later and layer == 3 else 144_000) * kbits // hertz + padding
    return Frame(length if kbits else 0, (version, layer, hertz))


def adts_frame(data: bytes, at: int = 0) -> Frame | None:
    """The frame of AAC whose header is at `at`; None if there is none."""
    header = data[at : at + 7]
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    rate = header[2] >> 2 & 15
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if rate > 12 or length < 7:
        return None
    return Frame(length, (header[1] & 8, header[2] >> 6, rate))


def find_row(data: bytes, readers: Mapping[str, Reader]) -> str | None:
    """The name of the stream that begins anywhere in `data`, such as in a cut of a broadcast.

    Args:
        data: the bytes to search.
        readers: for each name of a stream, what reads one of its frames.
    """
    at = data.find(b"\xff")
    while at >= 0:
        for name, read in readers.items():
            if _is_row(read, data, at):
                return name
        at = data.find(b"\xff", at + 1)
    return None


def _is_row(read: Reader, data: bytes, at: int) -> bool:
    first = read(data, at)
    frame = first
    for _ in range(_ROW - 1):
        if first is None or frame is None or not frame.length:
            return False
        at += frame.length
        frame = read(data, at)
        if frame is None or frame.kind != first.kind:
            return False
    return True
