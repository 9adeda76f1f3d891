"""What `submit` takes of what is named or lies beneath a folder, and what it says of the rest."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.local_command import TRANSCRIBE
from tests.support.recordings import bare_mp3, encoded, wav
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE

WAV = wav(1.0)


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def submit(stack: Stack, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    ran = stack.transcribe("submit", "--json", *map(str, arguments))
    assert "Traceback" not in ran.stderr
    return ran


def submitted(ran: subprocess.CompletedProcess[str], folder: Path) -> list[str]:
    paths = [Path(json.loads(line)["audio"]) for line in ran.stdout.splitlines()]
    return sorted(str(path.relative_to(folder)) for path in paths)


def test_every_recording_is_found_whatever_its_suffix(stack: Stack) -> None:
    opus = encoded("ogg", "libopus", 48000)
    recordings = {
        "voice.opus": opus,
        "voice.oga": opus,
        "no-extension": WAV,
        "LOUD.WAV": WAV,
        "wrong.txt": WAV,
        "deep/er/talk.mp3": bare_mp3(),
        "call.mka": encoded("webm", "libopus", 48000),
        "talk.m4b": encoded("ipod", "aac", 44100),
    }
    others = {
        "raw.aac": encoded("adts", "aac", 44100),
        "old.aiff": encoded("aiff", "pcm_s16be", 44100),
        "windows.wma": encoded("asf", "libmp3lame", 44100),
        "phone.mov": encoded("mov", "aac", 44100),
        "phone.3gp": encoded("3gp", "aac", 44100),
        "notes.wav": b"This is no recording.",
        "more/notes.wav": b"Nor is this.",
        "empty.wav": b"",
        ".hidden.wav": WAV,
        ".git/config": b"",
    }
    folder = fill(stack.audio / "all", recordings | others)
    ran = submit(stack, folder, "--recursive")
    assert submitted(ran, folder) == sorted(recordings)
    # Found, and not named: it does not fail.
    assert ran.returncode == 0
    *lines, count = ran.stderr.splitlines()
    assert count == "skipped 10 of 18."
    for name, why in {
        "raw.aac": "AAC without a container",
        "old.aiff": "AIFF, which Amazon Transcribe does not read",
        "windows.wma": "Windows Media (wma, asf), which",
        "phone.mov": "QuickTime (mov), which",
        "phone.3gp": "3GP, which",
        "empty.wav": "is empty",
    }.items():
        (line,) = [line for line in lines if f"/{name} " in line]
        assert why in line
    # One line a reason.
    (line,) = [line for line in lines if "is not a recording" in line]
    assert line.startswith(f"skipped: each of 2, such as {folder}/")
    (line,) = [line for line in lines if "hidden" in line]
    assert "each of 2" in line


def test_a_named_file_is_submitted_as_in_a_folder(stack: Stack) -> None:
    files = {"voice.opus": encoded("ogg", "libopus", 48000), "no-extension": WAV, "a.wav": WAV}
    folder = fill(stack.audio / "named", files)
    assert submitted(submit(stack, *(folder / name for name in files)), folder) == sorted(files)
    assert submitted(submit(stack, folder, "--recursive"), folder) == sorted(files)


#: Names that cannot be taken, and what the sentence must speak of.
BAD = {
    "notes.txt": "is not a recording",
    "none.wav": "does not exist",
    "empty.wav": "is empty",
    "broken-link.wav": "leads to a file that does not exist",
    "folder": "is a directory: add --recursive",
    "pipe": "is a device or pipe",
    "loop.wav": "cannot be read: Too many levels of symbolic links",
    "x" * 300: "cannot be read: File name too long",
    "\udcfcber.wav": "has a name that is not UTF-8",
    "s3://bucket": "s3://bucket/key",
}


@pytest.mark.parametrize(
    "bad", BAD, ids=lambda name: name[:10].encode(errors="backslashreplace").decode()
)
def test_one_bad_name_stops_no_other(stack: Stack, bad: str) -> None:
    why = BAD[bad]
    folder = fill(stack.audio / "some", {"good.wav": WAV, "notes.txt": b"text", "empty.wav": b""})
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "broken-link.wav").symlink_to("none.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "\udcfcber.wav").write_bytes(WAV)
    named = bad if "://" in bad else str(folder / bad)
    ran = submit(stack, named, folder / "good.wav")
    assert submitted(ran, folder) == ["good.wav"]
    assert ran.returncode == 1
    line, count = ran.stderr.splitlines()
    assert line.startswith("skipped: ")
    assert why in line
    assert count == "skipped 1 of 2."
    # By itself it is an error of the command.
    isolated = submit(stack, named)
    assert (isolated.returncode, isolated.stdout) == (2, "")
    assert len(isolated.stderr.splitlines()) == 1
    assert why in isolated.stderr


def test_names_that_are_not_utf_8_do_not_stop_a_folder(stack: Stack) -> None:
    folder = fill(stack.audio / "latin", {"good.wav": WAV})
    (folder / "\udcfcber.wav").write_bytes(WAV)
    (folder / "caf\udce9").mkdir()
    (folder / "caf\udce9" / "talk.wav").write_bytes(WAV)
    ran = submit(stack, folder, "--recursive")
    assert ran.returncode == 0
    assert submitted(ran, folder) == ["good.wav"]
    assert "each of 2" in ran.stderr
    assert "not UTF-8, which JSON cannot contain: rename it" in ran.stderr
    assert "/\\xfcber.wav" in ran.stderr


def test_symlinked_folders_are_followed_and_loops_end(stack: Stack) -> None:
    elsewhere = fill(stack.folder / "elsewhere", {"far.wav": WAV})
    folder = fill(stack.audio / "links", {"near/a.wav": WAV})
    (folder / "far").symlink_to(elsewhere)
    (folder / "near" / "up").symlink_to(folder)
    (folder / "twice").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder / "near")
    ran = submit(stack, folder, "--recursive")
    assert ran.returncode == 0
    assert submitted(ran, folder) == ["far/far.wav", "near/a.wav"]
    assert "leads to a folder that was read already" in ran.stderr


def test_a_recording_that_is_named_in_several_ways_is_transcribed_once(stack: Stack) -> None:
    folder = fill(stack.audio / "once", {"a.wav": WAV, "b.wav": WAV})
    (folder / "link.wav").symlink_to("a.wav")
    names: list[str | Path] = [folder / "a.wav", folder, folder / "link.wav", folder / "b.wav"]
    names += [f"{folder}/./a.wav", "s3://bucket/c.wav", "https://bucket.s3.amazonaws.com/c.wav"]
    ran = submit(stack, *names, "--recursive")
    assert ran.returncode == 0
    audio = [json.loads(line)["audio"] for line in ran.stdout.splitlines()]
    assert audio == [f"{folder}/a.wav", f"{folder}/b.wav", "s3://bucket/c.wav"]
    assert "each of 6, such as" in ran.stderr
    assert "is a recording that you named already; it is transcribed once" in ran.stderr
    # Nor is a name, which is for one recording, refused then.
    assert submit(stack, names[0], names[0], "--name", "once").returncode == 0
    # A folder whose recordings are all taken already is not one without any.
    assert submit(stack, *folder.glob("*"), folder, "--recursive").returncode == 0


@pytest.mark.parametrize("options", [(), ("--recursive",), ("--remote",)])
def test_an_empty_name_is_not_the_folder_here(stack: Stack, options: tuple[str, ...]) -> None:
    ran = submit(stack, "", *options)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert (
        ran.stderr == "transcribe: '' is an empty name: a variable of the shell may not be set.\n"
    )


def test_a_folder_with_nothing_in_it_is_an_error_only_by_itself(stack: Stack) -> None:
    empty = fill(stack.audio / "empty", {"notes.txt": b"text", "more.txt": b"text"})
    good = fill(stack.audio / "good", {"a.wav": WAV})
    isolated = submit(stack, empty, "--recursive")
    assert (isolated.returncode, isolated.stdout) == (2, "")
    assert f"{empty} has no recording that can be submitted" in isolated.stderr
    assert "each of 2" in isolated.stderr
    both = submit(stack, empty, good, "--recursive")
    assert both.returncode == 1
    assert submitted(both, good) == ["a.wav"]
    assert f"{empty} has no recording" in both.stderr


def test_a_folder_that_may_not_be_read_is_said(stack: Stack) -> None:
    folder = fill(stack.audio / "secret", {"a.wav": WAV})
    (folder / "loop").symlink_to("loop")
    ran = submit(stack, folder, "--recursive")
    assert submitted(ran, folder) == ["a.wav"]
    assert "loop cannot be read: Too many levels of symbolic links" in ran.stderr


def test_stdin_that_is_not_utf_8_is_one_sentence(stack: Stack) -> None:
    good = json.dumps({"audio": str(stack.audio / "a.wav")}).encode()
    ran = subprocess.run(
        [TRANSCRIBE, "submit", "-"],
        env={**os.environ, **stack.environment},
        input=good + b"\n" + b'{"audio": "/audio/\xfcber.wav"}',
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr == b"transcribe: Line 2 is not UTF-8.\n"
