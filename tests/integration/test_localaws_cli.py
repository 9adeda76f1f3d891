"""`python -m localaws` as a process: its start, its end, its arguments."""

# ruff: noqa: S310 - the only URLs opened are those of our own endpoint

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from botocore.exceptions import ClientError

from localaws.faults import KINDS, Fault
from tests.support.account import client
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
    text = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    for name in (*KINDS, *(field.name for field in fields(Fault))):
        assert re.search(rf"\b{name}\b", text), name


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_recognisers_with_exit_code_0(sign: signal.Signals) -> None:
    with running() as (process, url):
        children = psutil.Process(process.pid).children()
        assert len(children) == 1
        with urlopen(f"{url}/_localaws/health") as answer:
            assert answer.status == 200

        process.send_signal(sign)

        assert process.wait(DEADLINE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert all(map(gone, children))


def test_its_recognisers_end_even_when_it_is_killed() -> None:
    with running() as (process, _):
        (child,) = psutil.Process(process.pid).children()

        process.kill()

        until(lambda: gone(child))


def test_it_ends_with_its_parent_if_asked() -> None:
    code = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, '-m', 'localaws', '--port', '0', '--recogniser',"
        " 'fixed:1', '--exit-with-parent'], stdout=subprocess.PIPE, text=True);"
        "p.stdout.readline(); print(p.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()

        until(lambda: gone(child))


def test_every_option_reaches_the_endpoint() -> None:
    with running(
        *("--bucket", "first-bucket", "--bucket", "second-bucket", "--recogniser", "fixed:0"),
        *("--quota", "jobs=1,get=off", "--fail", "^bad=Because = so.", "--workers", "1"),
        "--verbose",
    ) as (process, url):
        s3, transcribe = client("s3", url), client("transcribe", url)
        assert len(s3.list_buckets()["Buckets"]) == 2
        s3.put_object(Bucket="first-bucket", Key="a.wav", Body=b"")
        transcribe.start_transcription_job(
            TranscriptionJobName="bad",
            Media={"MediaFileUri": "s3://first-bucket/a.wav"},
            LanguageCode="de-DE",
        )

        def job() -> dict[str, Any]:
            answer = transcribe.get_transcription_job(TranscriptionJobName="bad")
            return dict(answer["TranscriptionJob"])

        until(lambda: job()["TranscriptionJobStatus"] == "FAILED")
        assert job()["FailureReason"] == "Because = so."
        s3.close()
        transcribe.close()
        process.terminate()
        process.wait(DEADLINE)
        assert process.stderr is not None
        assert "PUT /first-bucket/a.wav 200" in process.stderr.read()


def test_throttle_refuses_that_share_of_calls() -> None:
    with running("--throttle", "1", "--recogniser", "fixed:0") as (_, url):
        transcribe = client("transcribe", url)
        with pytest.raises(ClientError, match="ThrottlingException"):
            transcribe.list_transcription_jobs()
        transcribe.close()
        assert client("s3", url).list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--port"),
        (["--port", "ninety"], "--port"),
        (["--port", "99999"], "99999"),
        (["--port", "0", "--recogniser", "whisper"], "whisper"),
        (["--port", "0", "--recogniser", "random:"], "random:MEAN"),
        (["--port", "0", "--quota", "jobs=lots"], "lots"),
        (["--port", "0", "--fail", "x"], "REGEX=REASON"),
        (["--port", "0", "--throttle", "7"], "7.0"),
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
