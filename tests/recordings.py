"""Recordings of any container, made as they are needed."""

from __future__ import annotations

import struct
from io import BytesIO
from itertools import chain

import av


def encoded(container: str, codec: str, rate: int, seconds: float = 1.0) -> bytes:
    """A silent recording, by FFmpeg's names of container and codec, at `rate` Hz."""
    buffer = BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(stream.format, stream.layout, rate, stream.frame_size)
        frame = av.AudioFrame(format="s16", layout="mono", samples=round(rate * seconds))
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate = rate
        for part in chain(resampler.resample(frame), resampler.resample(None)):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def bare_mp3(seconds: float = 1.0) -> bytes:
    """Frames of mp3, without a tag before them."""
    whole = encoded("mp3", "libmp3lame", 44100, seconds)
    return whole[whole.index(b"\xff\xfb") :]


def id3(size: int, *, footer: bool = False) -> bytes:
    """An ID3v2 tag with `size` bytes of padding."""
    length = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    flags = b"\x10" if footer else b"\0"
    end = b"3DI\x04\0" + flags + length if footer else b""
    return b"ID3\x04\0" + flags + length + bytes(size) + end


def apev2() -> bytes:
    """An APEv2 tag with one item, as it stands before the sound."""
    item = struct.pack("<II", 4, 0) + b"Title\0talk"
    header_flags, footer_flags = 0xA0000000, 0x80000000
    fields = struct.pack("<III", 2000, len(item) + 32, 1)
    header = b"APETAGEX" + fields + struct.pack("<I", header_flags) + bytes(8)
    footer = b"APETAGEX" + fields + struct.pack("<I", footer_flags) + bytes(8)
    return header + item + footer
