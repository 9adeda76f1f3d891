"""`python -m localaws` as a process: its start, its end, its arguments."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import psutil
import pytest

from tests.emulator.faults import KINDS, Fault
from tests.support.account import client
from tests.support.recordings import wav
from tests.support.waiting import DEADLINE, until

COMMAND = [sys.executable, "-m", "localaws"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("localaws listening on http://127.0.0.1:"), line
            yield process, line.split()[-1]
        finally:
            process.kill()


def test_its_help_names_every_fault_and_each_of_its_fields() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "tests.emulator", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in (*KINDS, *(field.name for field in fields(Fault))):
        assert re.search(rf"\b{name}\b", text), name


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@contextmanager
def recognising() -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """The emulator, and its process that recognises a long recording."""
    with running("--bucket", "media", "--workers", "1") as (process, url):
        s3, transcribe = client("s3", url), client("transcribe", url)
        s3.put_object(Bucket="media", Key="a.wav", Body=wav(600.0))
        transcribe.start_transcription_job(
            TranscriptionJobName="long",
            Media={"MediaFileUri": "s3://media/a.wav"},
            LanguageCode="en-US",
        )
        s3.close()
        transcribe.close()
        (child,) = until(psutil.Process(process.pid).children)
        yield process, child


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_recognisers_with_exit_code_0(sign: signal.Signals) -> None:
    with recognising() as (process, child):
        process.send_signal(sign)

        assert process.wait(DEADLINE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert gone(child)


def test_its_recognisers_end_even_when_it_is_killed() -> None:
    with recognising() as (process, child):
        process.kill()

        until(lambda: gone(child))


def test_every_option_reaches_the_endpoint() -> None:
    with running(
        *("--bucket", "first-bucket", "--bucket", "second-bucket", "--recogniser", "fixed:0"),
        *("--quota", "jobs=1,get=off", "--workers", "1"),
        "--verbose",
    ) as (process, url):
        s3, transcribe = client("s3", url), client("transcribe", url)
        assert len(s3.list_buckets()["Buckets"]) == 2
        s3.put_object(Bucket="first-bucket", Key="a.wav", Body=b"")
        assert transcribe.list_transcription_jobs()["TranscriptionJobSummaries"] == []
        s3.close()
        transcribe.close()
        process.terminate()
        process.wait(DEADLINE)
        assert process.stderr is not None
        assert "PUT /first-bucket/a.wav 200" in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--port"),
        (["--port", "ninety"], "--port"),
        (["--port", "99999"], "99999"),
        (["--port", "0", "--recogniser", "whisper"], "whisper"),
        (["--port", "0", "--recogniser", "fixed:x"], "fixed:SECONDS"),
        (["--port", "0", "--quota", "jobs=lots"], "lots"),
        (["--port", "{in_use}"], ": Address already in use."),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_exit_code_2(arguments: list[str], named: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as in_use:
        port = str(in_use.getsockname()[1])
        arguments = [each.replace("{in_use}", port) for each in arguments]
        run = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False
        )

    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert named in run.stderr
