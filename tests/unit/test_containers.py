"""Which container a recording is, whatever it is called and whatever stands before the sound."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import get_args

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.cli.inputs.selection import Named
from producer.contract.containers import detect_container
from producer.contract.media import MAX_BYTES, READABLE, refusal
from producer.contract.options import MediaFormat
from producer.errors import InvalidRequest
from tests.support.recordings import apev2, bare_mp3, encoded, id3

AMR = "libopencore_amrnb"


def found(data: bytes) -> MediaFormat | None:
    container = detect_container(BytesIO(data))
    assert container is not None, "it is taken for no recording"
    return container.media_format


@pytest.mark.parametrize(
    ("container", "codec", "rate", "expected"),
    [
        ("flac", "flac", 16000, "flac"),
        ("ogg", "libopus", 48000, "ogg"),
        # What messengers call .opus and .oga.
        ("opus", "libopus", 48000, "ogg"),
        ("webm", "libopus", 48000, "webm"),
        ("mp3", "libmp3lame", 44100, "mp3"),
        ("mp3", "libmp3lame", 8000, "mp3"),
        ("ipod", "aac", 44100, "m4a"),
        ("mp4", "aac", 44100, "mp4"),
        ("wav", "pcm_s16le", 16000, "wav"),
        *([("amr", AMR, 8000, "amr")] if AMR in av.codecs_available else []),
    ],
)
def test_a_container_that_transcribe_accepts_has_transcribes_name(
    container: str, codec: str, rate: int, expected: str
) -> None:
    assert found(encoded(container, codec, rate)) == expected


@pytest.mark.parametrize(
    ("container", "codec", "rate", "name"),
    [
        ("adts", "aac", 44100, "ADTS"),
        ("mov", "aac", 44100, "QuickTime"),
        ("3gp", "aac", 44100, "3GP"),
        ("3g2", "aac", 44100, "3GP"),
        ("matroska", "libopus", 48000, "Matroska"),
        ("mpegts", "aac", 44100, "transport stream"),
        ("vob", "mp2", 44100, "program stream"),
        ("avi", "mp2", 44100, "AVI"),
        ("flv", "aac", 44100, "Flash"),
        ("ac3", "ac3", 48000, "AC-3"),
        ("aiff", "pcm_s16be", 8000, "AIFF"),
        ("caf", "pcm_s16be", 8000, "Core Audio"),
        ("au", "pcm_mulaw", 8000, "Sun"),
        ("w64", "pcm_s16le", 8000, "Wave64"),
        ("tta", "tta", 16000, "True Audio"),
        ("wv", "wavpack", 16000, "WavPack"),
        ("rm", "ac3", 44100, "RealMedia"),
        ("voc", "pcm_u8", 8000, "Creative Voice"),
    ],
)
def test_a_container_that_transcribe_refuses_is_named_with_a_remedy(
    container: str, codec: str, rate: int, name: str
) -> None:
    problem = refusal(detect_container(BytesIO(encoded(container, codec, rate))))
    assert problem is not None
    assert name in problem
    assert "ffmpeg -i IN" in problem
    assert problem.endswith(".")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "wma"),
        (b"FORM\0\0\x10\0AIFC", "aifc"),
        (b"FORM\0\0\x10\x008SVX", "8SVX"),
        (b"\0\0\x10\0moov\0\0\0\x6cmvhd", "QuickTime"),
        (b"\x02dss\x01", "dss"),
        (b"\x03ds2\x01", "ds2"),
        (b"\x7f\xfe\x80\x01", "DTS"),
        (b"MAC \x96\x0f", "Monkey"),
        (b"".join(b"\0\0\0\0G" + bytes(187) for _ in range(4)), "mts"),
    ],
)
def test_so_is_what_cannot_be_made_here(head: bytes, name: str) -> None:
    assert name in (refusal(detect_container(BytesIO(head + bytes(100)))) or "")


BEFORE = {
    "nothing": b"",
    "417 NUL bytes": bytes(417),
    "100 kB of NUL bytes": bytes(100_000),
    "an APEv2 tag": apev2(),
    "an ID3 tag": id3(10),
    "an ID3 tag with a footer": id3(10, footer=True),
    "a picture in an ID3 tag": id3(300_000),
    "two ID3 tags": id3(10) + id3(200),
    "ID3, then APEv2, then NUL bytes": id3(10) + apev2() + bytes(417),
}


@pytest.mark.parametrize("before", BEFORE)
def test_tags_and_padding_before_the_sound_are_passed_over(before: str) -> None:
    assert found(BEFORE[before] + bare_mp3()) == "mp3"


@pytest.mark.parametrize("before", [each for each in BEFORE if each != "nothing"])
def test_what_is_behind_a_tag_counts_and_not_the_tag(before: str) -> None:
    assert found(BEFORE[before] + encoded("flac", "flac", 16000)) == "flac"
    aac = detect_container(BytesIO(BEFORE[before] + encoded("adts", "aac", 44100)))
    assert "ADTS" in (refusal(aac) or "")


def test_mp3_that_was_cut_out_of_a_broadcast_may_start_in_the_middle_of_a_frame() -> None:
    assert found(bare_mp3()[100:]) == "mp3"


def test_mp3_of_a_single_frame_is_mp3() -> None:
    assert found(bare_mp3()[:300]) == "mp3"


def test_a_tag_with_something_unknown_behind_it_is_left_to_transcribe() -> None:
    assert found(id3(10) + b"\x12\x34" * 1000) == "mp3"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"hello, this is text",
        "hello, this is text\n".encode("utf-16") * 500,
        b"ID3 tags are explained here\n" * 500,
        bytes(1000),
        b"\xff" * 100_000,
        b"RIFF\0\0\0\0AVIX",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(100),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"#EXTM3U\nhttp://example.com/a.mp3\n",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_recording_is_none(data: bytes) -> None:
    assert detect_container(BytesIO(data)) is None


def test_the_sentence_for_other_files_names_every_format_and_what_to_do() -> None:
    assert set(READABLE.replace(" or ", ", ").split(", ")) == set(get_args(MediaFormat))
    problem = refusal(None) or ""
    assert READABLE in problem
    assert "media_format" in problem
    assert "ffmpeg -f" in problem


@given(
    head=st.sampled_from([b"", b"ID3\x03", b"APETAGEX", b"\0" * 9, b"\xff\xfb\x90", b"\xff\xf1"]),
    rest=st.binary(max_size=300),
)
def test_no_bytes_upset_it(head: bytes, rest: bytes) -> None:
    container = detect_container(BytesIO(head + rest))
    assert container is None or container.media_format in {None, *get_args(MediaFormat)}


def test_a_person_who_says_what_it_is_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "talk.mov"
    path.write_bytes(encoded("mov", "aac", 44100))
    with pytest.raises(InvalidRequest, match=r"talk.mov is QuickTime .* ffmpeg"):
        Named((str(path),), None, {}).selection()
    request = Named((str(path),), None, {"media_format": "mp4"}).selection().requests[0]
    assert request.media_format == "mp4"


class Counted(BytesIO):
    """Counts what is read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.parametrize("head", [b"", id3(1000) * 1000, apev2() * 1000])
def test_of_no_file_much_is_read(head: bytes) -> None:
    file = Counted(head + bytes(10_000_000))
    detect_container(file)
    assert file.count < 1024 * 1024


@pytest.mark.timeout(10)
def test_a_tag_that_is_longer_than_the_file_reads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(b"ID3\x03\x00\x00\x7f\x7f\x7f\x7f")
        os.truncate(file.fileno(), MAX_BYTES)
    with path.open("rb") as opened:
        assert detect_container(opened) is not None
