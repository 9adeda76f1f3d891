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
        assert isinstance(stream, av.AudioStream)
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


def wav_header(data_bytes: int, rate: int = 8000, *, kind: int = 1, bits: int = 16) -> bytes:
    """The header of a mono WAV whose sound has `data_bytes` bytes."""
    block = bits // 8
    form = struct.pack("<IHHIIHH", 16, kind, 1, rate, rate * block, block, bits)
    size = struct.pack("<I", min(data_bytes + 36, 0xFFFFFFFF))
    return b"RIFF" + size + b"WAVEfmt " + form + b"data" + struct.pack("<I", data_bytes)


def wav(seconds: float, rate: int = 8000) -> bytes:
    """A silent WAV of 16 bits."""
    sound = bytes(2 * round(seconds * rate))
    return wav_header(len(sound), rate) + sound


def ogg_starting_at(ogg: bytes, seconds: int) -> bytes:
    """The same Opus in ogg, whose times start later."""
    moved, at = b"", 0
    while at < len(ogg):
        segments = ogg[at + 26]
        length = 27 + segments + sum(ogg[at + 27 : at + 27 + segments])
        page = bytearray(ogg[at : at + length])
        granule = struct.unpack_from("<q", page, 6)[0]
        struct.pack_into("<q", page, 6, granule + (48_000 * seconds if granule > 0 else 0))
        page[22:26] = bytes(4)
        struct.pack_into("<I", page, 22, _ogg_checksum(page))
        moved += page
        at += length
    return moved


def _ogg_checksum(page: bytes | bytearray) -> int:
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            carry = remainder & 0x80000000
            remainder = (remainder << 1 ^ (0x04C11DB7 if carry else 0)) & 0xFFFFFFFF
    return remainder
