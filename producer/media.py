"""What Amazon Transcribe reads, told by a file's first bytes and its size."""

from __future__ import annotations

from producer.options import MediaFormat

#: Source: Amazon Transcribe's quotas; a larger file is refused at once.
MAX_BYTES = 2048 * 1024 * 1024
#: How many bytes `sniff` looks at.
HEAD_BYTES = 64
READABLE = "mp3, mp4, m4a, wav, flac, ogg, amr or webm"


def sniff(head: bytes) -> MediaFormat | None:
    """The container format by its first bytes, whatever the file is called."""
    found: MediaFormat | None = None
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        found = "wav"
    elif head[:4] == b"fLaC":
        found = "flac"
    elif head[:4] == b"OggS":
        found = "ogg"
    elif head[:5] == b"#!AMR":
        found = "amr"
    elif head[:4] == b"\x1aE\xdf\xa3":
        found = "webm"
    elif head[4:8] == b"ftyp":
        found = "m4a" if head[8:11] == b"M4A" else "mp4"
    # Frame sync, and a layer: plain AAC has the same sync with layer 0.
    elif head[:3] == b"ID3" or (
        len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0
    ):
        found = "mp3"
    return found
