"""Signals that end a command, and its standard streams as shells and supervisors hand them over."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from producer.cli.signals import STOP_SIGNALS
from producer.contract.job import JobState
from tests.support.local_command import TRANSCRIBE
from tests.support.recordings import wav
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until


def with_streams(stack: Stack, redirections: str, *arguments: str) -> tuple[int, str]:
    """Run the command with redirections of a shell; returns its exit code and what else is said."""
    ran = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", TRANSCRIBE, *arguments],
        # The environment of the tests may have it, and then nothing is left to write at the end.
        env={**os.environ, **stack.environment, "PYTHONUNBUFFERED": ""},
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=[each.name for each in STOP_SIGNALS])
def test_each_signal_ends_a_command_as_ctrl_c_does(stack: Stack, number: signal.Signals) -> None:
    (stack.audio / "a.wav").write_bytes(wav(1.0))
    with subprocess.Popen(
        [TRANSCRIBE, "submit", str(stack.audio / "a.wav"), "--wait"],
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        job_id = process.stdout.readline().strip()
        process.send_signal(number)
        _, said = process.communicate(timeout=DEADLINE)
    assert (process.returncode, said.strip()) == (130, "transcribe: interrupted.")
    assert stack.store.ids(JobState.QUEUED) == [job_id]


def test_ctrl_c_ends_a_command_that_still_loads(stack: Stack) -> None:
    job = stack.client.submit("/audio/a.wav")
    with subprocess.Popen(
        [TRANSCRIBE, "wait", job.id],
        env={**os.environ, **stack.environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        loaded = Path(f"/proc/{process.pid}/maps")
        until(lambda: "pydantic_core" in loaded.read_text())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=DEADLINE)
    assert (process.returncode, said) == (130, "transcribe: interrupted.\n")


def test_who_starts_it_with_nohup_wants_it_to_stay(stack: Stack) -> None:
    (stack.audio / "a.wav").write_bytes(wav(1.0))
    with subprocess.Popen(
        [TRANSCRIBE, "submit", str(stack.audio / "a.wav"), "--wait"],
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # noqa: PLW1509
    ) as process:
        assert process.stdout is not None
        job_id = process.stdout.readline().strip()
        process.send_signal(signal.SIGHUP)
        stack.client.cancel(job_id)
        process.communicate(timeout=DEADLINE)
    assert process.returncode == 1


@pytest.mark.parametrize("command", ["list", "schema", "--help"])
def test_an_output_that_nobody_reads_is_no_failed_job(stack: Stack, command: str) -> None:
    stack.client.submit("/audio/a.wav")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [TRANSCRIBE, command],
            env={**os.environ, **stack.environment},
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize("command", ["list", "schema", "--help"])
def test_an_output_without_room_is_one_sentence(stack: Stack, command: str) -> None:
    stack.client.submit("/audio/a.wav")
    code, said = with_streams(stack, ">/dev/full", command)
    assert (code, said) == (1, "transcribe: Cannot continue: No space left on device.\n")


@pytest.mark.parametrize(
    ("redirections", "arguments", "code", "part"),
    [
        pytest.param(">&-", ["schema"], 0, "", id="stdout"),
        pytest.param("<&-", ["submit", "-"], 2, "There was no request on stdin", id="stdin"),
        pytest.param("2>&-", ["schema"], 0, "", id="stderr"),
        pytest.param("<&- >&- 2>&-", ["status", "none"], 2, "", id="all"),
    ],
)
def test_a_closed_stream_is_an_empty_one(
    stack: Stack, redirections: str, arguments: list[str], code: int, part: str
) -> None:
    ended, said = with_streams(stack, redirections, *arguments)
    assert ended == code
    assert "Traceback" not in said
    assert part in said


def test_chatter_that_nobody_reads_ends_nothing(stack: Stack) -> None:
    """Such as that of `transcribe local recording 2>&1 | head` before its transcript."""
    (stack.audio / "empty.wav").touch()
    (stack.audio / "a.wav").write_bytes(wav(1.0))
    code, _ = with_streams(stack, "2>/dev/full", "submit", "--recursive", str(stack.audio))
    assert code == 0
    until(lambda: stack.store.ids(JobState.QUEUED))
