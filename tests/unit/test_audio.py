"""Local recordings: where they may lie, what they must be, and that no file delays a worker."""

import os
import resource
import socket
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.contract.media import MAX_BYTES
from tests.support.recordings import apev2, bare_mp3, encoded, id3, wav_header
from worker.errors import Permanent, Transient
from worker.stages.audio import open_audio

SAMPLES = Path(__file__).parents[2] / "samples"
RATE = 8000
AMR = "libopencore_amrnb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    folder.mkdir()
    return folder


def write_wav(path: Path, seconds: float = 1.0) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(round(seconds * RATE) * 2))
    return path


def sparse(path: Path, head: bytes, size: int) -> Path:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def refused(path: Path | str, *roots: Path, media_format: Any = None) -> str:
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(Permanent) as caught:
        open_audio(str(path), roots, media_format)
    # Others of this process may have been closed meanwhile.
    assert set(Path("/proc/self/fd").iterdir()) <= before, "a file was left open"
    assert caught.value.message.endswith(".")
    assert "/" not in caught.value.message, "where the file lies is nobody's business"
    return caught.value.code


@pytest.mark.parametrize(
    "sample", sorted(SAMPLES.glob("*.[wm][ap][v34]*")), ids=lambda path: path.name
)
def test_the_samples_are_accepted(sample: Path) -> None:
    with open_audio(str(sample), [SAMPLES]) as audio:
        assert audio.format == sample.suffix.removeprefix(".")
        assert audio.size == sample.stat().st_size
        audio.file.seek(0)
        assert audio.file.read() == sample.read_bytes()
    assert audio.file.closed


def test_there_are_samples_of_three_formats() -> None:
    found = {path.suffix for path in SAMPLES.iterdir()}
    assert {".wav", ".mp3", ".m4a"} <= found


@pytest.mark.parametrize(
    ("container", "codec", "rate", "found"),
    [
        ("flac", "flac", 16000, "flac"),
        ("ogg", "libopus", 48000, "ogg"),
        ("webm", "libopus", 48000, "webm"),
        ("mp3", "libmp3lame", 44100, "mp3"),
        ("ipod", "aac", 44100, "m4a"),
        ("mp4", "aac", 44100, "mp4"),
        ("wav", "pcm_s16le", 16000, "wav"),
        *([("amr", AMR, 8000, "amr")] if AMR in av.codecs_available else []),
    ],
)
@pytest.mark.parametrize("name", ["a.bin", "a.mp3"])
def test_formats_are_recognised_by_content_and_not_by_name(
    root: Path, container: str, codec: str, rate: int, found: str, name: str
) -> None:
    path = root / name
    path.write_bytes(encoded(container, codec, rate))

    with open_audio(str(path), [root]) as audio:
        assert audio.format == found


def test_amr_is_recognised(root: Path) -> None:
    # A second of frames at 12.2 kbit/s, each a header and 31 bytes, for PyAV without an encoder.
    (root / "a").write_bytes(b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50)

    with open_audio(str(root / "a"), [root]) as audio:
        assert audio.format == "amr"


def test_text_that_is_named_wav_is_refused(root: Path) -> None:
    (root / "a.wav").write_text("hello\n" * 100)
    assert refused(root / "a.wav", root) == "NotAudio"


@pytest.mark.parametrize(
    "before", [bytes(417), apev2(), b"\x12" * 5000], ids=["NUL", "APE", "junk"]
)
def test_what_the_user_says_wins(root: Path, before: bytes) -> None:
    (root / "a").write_bytes(before + bare_mp3())
    with open_audio(str(root / "a"), [root], "mp3") as audio:
        assert audio.format == "mp3"
    (root / "b").write_bytes(encoded("mov", "aac", 44100))
    assert refused(root / "b", root) == "UnsupportedFormat"
    with open_audio(str(root / "b"), [root], "mp4") as audio:
        assert audio.format == "mp4"


@pytest.mark.parametrize(
    "text",
    [
        b"AWS_SECRET_ACCESS_KEY=not-a-key\n",
        b'{"jobName":"another-s","results":{}}',
        "1\n00:00:00,000 --> 00:00:01,000\n\u00e9t\u00e9\n".encode(),
        # the window that is read cuts a character in two
        b"a" + "\u00e9".encode() * 40_000,
    ],
    ids=["settings", "transcript", "subtitles", "cut"],
)
def test_text_is_no_recording_whatever_a_message_says(root: Path, text: bytes) -> None:
    (root / "a").write_bytes(text)
    with pytest.raises(Permanent) as caught:
        open_audio(str(root / "a"), [root], "mp3")
    assert caught.value.code == "NotAudio"
    assert "is text" in caught.value.message


def test_a_container_that_transcribe_does_not_accept_is_refused_by_its_name(root: Path) -> None:
    (root / "a.mp3").write_bytes(id3(10) + encoded("adts", "aac", 44100))
    with pytest.raises(Permanent) as caught:
        open_audio(str(root / "a.mp3"), [root])
    assert caught.value.code == "UnsupportedFormat"
    assert "AAC" in caught.value.message
    assert "ffmpeg" in caught.value.message


def test_flac_behind_a_tag_is_flac(root: Path) -> None:
    (root / "a").write_bytes(id3(10) + encoded("flac", "flac", 16000))
    with open_audio(str(root / "a"), [root]) as audio:
        assert audio.format == "flac"


def test_any_of_several_roots_will_do(root: Path, tmp_path: Path) -> None:
    path = write_wav(root / "a.wav")
    open_audio(str(path), [tmp_path / "other", root]).file.close()
    assert refused(path, tmp_path / "other") == "OutsideAudioRoots"
    assert refused(path) == "OutsideAudioRoots"


def test_a_root_is_no_mere_prefix(root: Path) -> None:
    other = root.with_name("audio-other")
    other.mkdir()
    assert refused(write_wav(other / "a.wav"), root) == "OutsideAudioRoots"


def test_dots_lead_out_and_back_in(root: Path, tmp_path: Path) -> None:
    write_wav(root / "a.wav")
    write_wav(tmp_path / "out.wav")

    assert refused(f"{root}/../out.wav", root) == "OutsideAudioRoots"
    assert refused(f"{root}/../../../../../../../etc/passwd", root) == "OutsideAudioRoots"
    open_audio(f"{root}/../audio/a.wav", [root]).file.close()


def test_the_answer_does_not_show_what_exists_elsewhere(root: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "there.wav")
    answers = []
    for name in ("there.wav", "nowhere.wav"):
        with pytest.raises(Permanent) as caught:
            open_audio(str(tmp_path / name), [root])
        answers.append((caught.value.code, caught.value.message.replace(name, "")))
    assert answers[0] == answers[1]


def test_symlinks_count_by_where_they_lead(root: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "out.wav")
    write_wav(root / "in.wav")
    (root / "out").symlink_to(tmp_path / "out.wav")
    (root / "folder").symlink_to(tmp_path)
    (root / "in").symlink_to("in.wav")
    (tmp_path / "back").symlink_to(root / "in.wav")

    assert refused(root / "out", root) == "OutsideAudioRoots"
    assert refused(root / "folder" / "out.wav", root) == "OutsideAudioRoots"
    open_audio(str(root / "in"), [root]).file.close()
    open_audio(str(tmp_path / "back"), [root]).file.close()


def test_a_symlink_swapped_between_check_and_open_is_seen(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav(tmp_path / "secret.wav")
    write_wav(root / "a.wav")
    link = root / "link"
    link.symlink_to("a.wav")
    real_open = os.open

    def swap_and_open(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if path == str(link):
            link.unlink()
            link.symlink_to(tmp_path / "secret.wav")
        return real_open(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", swap_and_open)

    assert refused(link, root) == "OutsideAudioRoots"
    assert link.readlink() == tmp_path / "secret.wav"


def test_a_folder_is_no_recording(root: Path) -> None:
    (root / "a.wav").mkdir()
    assert refused(root / "a.wav", root) == "NotAFile"
    assert refused(root, root) == "NotAFile"


@pytest.mark.timeout(10)
def test_a_named_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "a.wav")
    assert refused(root / "a.wav", root) == "NotAFile"


@pytest.mark.timeout(10)
def test_a_device_is_no_recording(root: Path) -> None:
    (root / "a.wav").symlink_to("/dev/zero")
    assert refused("/dev/zero", Path("/dev")) == "NotAFile"
    assert refused(root / "a.wav", root) == "OutsideAudioRoots"


def test_a_socket_is_no_recording(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/cwd/{os.path.relpath(root / 's')}")
        assert refused(root / "s", root) == "Unreadable"


def test_an_empty_file_is_refused(root: Path) -> None:
    (root / "a.wav").touch()
    assert refused(root / "a.wav", root) == "Empty"


def test_a_file_that_is_not_there_is_refused(root: Path) -> None:
    (root / "nowhere").symlink_to("gone.wav")
    write_wav(root / "file")
    assert refused(root / "gone.wav", root) == "NoSuchFile"
    assert refused(root / "nowhere", root) == "NoSuchFile"
    assert refused(root / "file" / "a.wav", root) == "Unreadable"


def test_a_loop_and_an_endless_name_are_refused(root: Path) -> None:
    (root / "loop").symlink_to("loop")
    assert refused(root / "loop", root) == "Unreadable"
    assert refused(root / ("x" * 300), root) == "Unreadable"


def test_what_the_machine_lacks_for_a_while_is_waited_for(root: Path) -> None:
    recording = write_wav(root / "talk.wav")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        with pytest.raises(Transient, match=r"cannot open talk\.wav now \(Too many open files\)"):
            open_audio(str(recording), [root])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    open_audio(str(recording), [root]).file.close()


@pytest.mark.parametrize(("size", "code"), [(MAX_BYTES + 1, "TooLarge"), (MAX_BYTES, "TooLong")])
def test_two_gigabytes_are_the_most(root: Path, size: int, code: str) -> None:
    assert refused(sparse(root / "a.wav", wav_header(size - 44), size), root) == code


@pytest.mark.parametrize("data_bytes", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_recording_from_a_pipe_whose_header_says_any_length_is_accepted(
    root: Path, data_bytes: int
) -> None:
    path = sparse(root / "a.wav", wav_header(data_bytes, 16000), 64044)
    open_audio(str(path), [root]).file.close()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "mp3 without a second frame": lambda: b"\xff\xfb\x90\x00",
    "endless id3": lambda: b"ID3\x03\x00\x00\x7f\x7f\x7f\x7f",
    "flac of empty blocks": lambda: b"fLaC",
    "huge fmt chunk": lambda: b"RIFF\xff\xff\xff\xffWAVEfmt \x00\x00\x00\x7f",
    "ogg": lambda: b"OggS",
    "m4a of nothing": lambda: b"\0\0\0\x20ftypM4A ",
    "webm": lambda: b"\x1aE\xdf\xa3",
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_header_keeps_a_worker_busy(root: Path, kind: str) -> None:
    path = sparse(root / "a", HOSTILE[kind](), MAX_BYTES)
    open_audio(str(path), [root]).file.close()


def test_no_header_makes_a_worker_read_the_whole_file(root: Path) -> None:
    path = sparse(root / "a", HOSTILE["huge fmt chunk"](), MAX_BYTES)
    before = _bytes_read()
    open_audio(str(path), [root]).file.close()
    assert _bytes_read() - before < 32 * 1024 * 1024


def _bytes_read() -> int:
    counts = Path("/proc/self/io").read_text(encoding="ascii")
    return int(counts.split("rchar: ")[1].split()[0])


@settings(max_examples=150)
@given(
    head=st.sampled_from(
        [
            b"RIFF\0\0\0\0WAVE",
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0",
            b"fLaC",
            b"OggS",
            b"#!AMR\n",
            b"\x1aE\xdf\xa3",
            b"\0\0\0\x20ftypM4A ",
            b"ID3",
            b"\xff\xfb\x90",
        ]
    ),
    rest=st.binary(max_size=200),
)
def test_a_broken_header_is_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, rest: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "broken").write_bytes(head + rest)
    try:
        open_audio(str(folder / "broken"), [folder]).file.close()
    except Permanent as error:
        assert error.code in {"NotAudio", "UnsupportedFormat", "TooShort", "TooLong"}  # noqa: PT017 - either outcome is right
