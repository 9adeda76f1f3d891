"""Messages and file names are shown whole, and neither forge a line nor control a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.contract.job import JobState
from producer.contract.stages import CONTROL_QUEUE
from tests.conftest import make_stack
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.long

TITLE = "\x1b]0;owned\x07"
NAME = f"{TITLE}\nFORGED  COMPLETED\r\u2028.wav"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A job that failed with the name in its reason, and a dead letter that is such a name."""
    with make_stack(tmp_path_factory.mktemp("named")) as stack:
        stack.start_aws("--recogniser", "fixed:0.2")
        stack.start_worker()
        stack.client.submit(str(stack.audio / NAME), name="victim")
        stack.broker.command("LPUSH", CONTROL_QUEUE, NAME)
        stack.job_in("victim", JobState.FAILED)
        until(stack.client.dead_letters.all)
        yield stack


def on_a_terminal(stack: Stack, *arguments: str) -> str:
    """What a person sees of a command."""
    near, far = pty.openpty()
    environment = {**os.environ, **stack.environment, "TERM": "xterm", "COLUMNS": "500"}
    command = [str(Path(sys.executable).parent / "transcribe"), *arguments]
    with subprocess.Popen(command, env=environment, stdout=far, stderr=far, stdin=far):
        os.close(far)
        seen = b""
        try:
            while chunk := os.read(near, 65536):
                seen += chunk
        except OSError:  # how Linux reports the end of a terminal
            pass
        finally:
            os.close(near)
    return seen.decode()


COMMANDS = [
    ("status", "victim"),
    ("list",),
    ("wait", "victim"),
    ("result", "victim"),
    ("retry", "victim"),
    ("dead", "list"),
    ("doctor",),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_line_is_forged(named: Stack, arguments: tuple[str, ...]) -> None:
    ran = named.transcribe(*arguments)
    for shown in (ran.stdout, ran.stderr, on_a_terminal(named, *arguments)):
        assert TITLE not in shown
        assert "\x07" not in shown
        assert not [line for line in shown.splitlines() if line.startswith("FORGED")]
    named.job_in("victim", JobState.FAILED)


def test_a_dead_letter_is_shown_as_it_came_but_escaped_on_a_terminal(named: Stack) -> None:
    (dead_letter,) = named.client.dead_letters.all()
    assert TITLE in named.transcribe("dead", "show", dead_letter.id).stdout
    assert TITLE not in on_a_terminal(named, "dead", "show", dead_letter.id)
    ran = named.transcribe("dead", "replay", dead_letter.id)
    assert (ran.returncode, TITLE in ran.stderr) == (2, False)
