"""Thousands of files in one command, on a terminal and in a pipe, whole and cut off."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.cli.signals import STOP_SIGNALS
from producer.contract.job import JobState
from tests.support.slow_proxy import SlowProxy
from tests.support.stack import SAMPLES, Stack
from tests.support.waiting import DEADLINE, until


class Terminal:
    """The command line with a terminal for its stderr, and a pipe for its stdout."""

    def __init__(self, stack: Stack, *arguments: str, **environment: str) -> None:
        ours, theirs = pty.openpty()
        self._ours = ours
        self.shown = ""
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / "transcribe"), *arguments],
            env={
                **os.environ,
                "TERM": "xterm",
                "COLUMNS": "100",
                **stack.environment,
                **environment,
            },
            cwd=stack.folder,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                got = os.read(self._ours, 65536)
            except OSError:  # the other side is closed
                return
            self.shown += got.decode(errors="replace")

    def end(self) -> tuple[int, list[str], str]:
        """Wait; returns the exit code, the lines on stdout, and what the terminal was sent."""
        assert self.process.stdout is not None
        with self.process.stdout:
            lines = self.process.stdout.read().splitlines()
        code = self.process.wait(timeout=DEADLINE)
        self._reader.join(timeout=DEADLINE)
        os.close(self._ours)
        return code, lines, self.shown


def folder_of(stack: Stack, number: int) -> Path:
    """So many recordings, two that are none, and one that is not to be seen."""
    folder = stack.audio / "many"
    folder.mkdir()
    sample = (SAMPLES / "silence.wav").read_bytes()[:4096]
    for each in range(number):
        (folder / f"call-{each:05}.wav").write_bytes(sample)
    (folder / "notes.wav").write_text("This is no recording.\n" * 20)
    (folder / "empty.wav").touch()
    (folder / "readme.txt").write_text("not audio")
    return folder


@contextmanager
def late(stack: Stack) -> Iterator[SlowProxy]:
    """A Redis that answers late."""
    proxy = SlowProxy(stack.redis_url)
    try:
        yield proxy
    finally:
        proxy.close()


def recorded(stack: Stack) -> set[str]:
    return set(stack.store.ids(JobState.QUEUED))


def test_a_terminal_sees_bars_and_stdout_has_the_ids_alone(stack: Stack) -> None:
    folder = folder_of(stack, 1200)
    code, ids, shown = Terminal(stack, "submit", str(folder), "--recursive").end()
    assert code == 0, shown
    assert set(ids) == recorded(stack)
    assert len(ids) == 1200
    assert all(re.fullmatch(r"call-\d{5}-\w{10}", each) for each in ids)
    assert "checking" in shown
    assert "submitting" in shown
    assert "1200/1200" in shown
    # The bar does not hide the messages.
    parts = ("skipped: each of 2, such as ", ", is not a recording", "empty.wav is empty")
    for part in (*parts, "skipped 3 of 1203."):
        assert part in re.sub(r"\s+", " ", shown)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_pipe_sees_no_bar(stack: Stack, options: list[str]) -> None:
    folder = folder_of(stack, 600)
    ran = stack.transcribe("submit", str(folder), "--recursive", *options)
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 600
    *lines, count = ran.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["skipped"] * 2
    assert count == "skipped 3 of 603."


def test_json_is_not_for_people_who_watch(stack: Stack) -> None:
    folder = folder_of(stack, 600)
    code, lines, shown = Terminal(stack, "submit", str(folder), "--recursive", "--json").end()
    assert code == 0
    assert {json.loads(line)["id"] for line in lines} == recorded(stack)
    assert "submitting" not in shown


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=[each.name for each in STOP_SIGNALS])
def test_a_command_that_was_interrupted_says_what_is_recorded_and_goes_on(
    stack: Stack, number: signal.Signals
) -> None:
    folder = folder_of(stack, 3000)
    with late(stack) as proxy:
        proxy.delay = 0.3
        terminal = Terminal(
            stack, "submit", str(folder), "--recursive", TRANSCRIBE_REDIS_URL=proxy.url
        )
        until(lambda: recorded(stack))
        terminal.process.send_signal(number)
        code, ids, shown = terminal.end()
    assert code == 130
    said = re.sub(r"\s+", " ", shown)
    assert f"{len(ids)} of 3000 jobs are recorded" in said
    assert "Traceback" not in shown
    # It was not cut off in the middle of an answer: what it says is so.
    assert set(ids) == recorded(stack)
    assert 0 < len(ids) < 3000
    found = re.search(r"transcribe submit - < (\S+\.jsonl)", said)
    assert found is not None
    rest = Path(found[1])
    ran = stack.transcribe("submit", "-", stdin=rest.read_text())
    rest.unlink()
    assert ran.returncode == 0, ran
    assert len(ran.stdout.splitlines()) == 3000 - len(ids)
    audio = {job.request.audio for job in stack.client.list(limit=5000)}
    assert len(audio) == len(recorded(stack)) == 3000


@pytest.mark.parametrize("options", [["--json"], ["--json", "--wait"]])
def test_who_reads_json_has_the_ids_too_of_what_was_cut_off(
    stack: Stack, options: list[str]
) -> None:
    folder = folder_of(stack, 3000)
    with late(stack) as proxy:
        proxy.delay = 0.3
        terminal = Terminal(
            stack, "submit", str(folder), "--recursive", *options, TRANSCRIBE_REDIS_URL=proxy.url
        )
        until(lambda: recorded(stack))
        terminal.process.send_signal(signal.SIGINT)
        code, lines, shown = terminal.end()
    assert code == 130
    found = re.search(r"transcribe submit - < (\S+\.jsonl)", re.sub(r"\s+", " ", shown))
    assert found is not None
    Path(found[1]).unlink()
    assert {json.loads(line)["id"] for line in lines} == recorded(stack)
    assert 0 < len(lines) < 3000


def test_a_redis_that_is_lost_in_the_middle_costs_no_job_and_doubles_none(stack: Stack) -> None:
    folder = folder_of(stack, 3000)
    with late(stack) as proxy:
        proxy.delay = 0.3
        terminal = Terminal(
            stack, "submit", str(folder), "--recursive", TRANSCRIBE_REDIS_URL=proxy.url
        )
        until(lambda: len(recorded(stack)) > 1000)
        proxy.stall()
        code, ids, shown = terminal.end()
    assert code == 4
    assert set(ids) <= recorded(stack)
    found = re.search(r"transcribe submit - < (\S+\.jsonl)", re.sub(r"\s+", " ", shown))
    assert found is not None
    rest = Path(found[1])
    assert stack.transcribe("submit", "-", stdin=rest.read_text()).returncode == 0
    rest.unlink()
    audio = {job.request.audio for job in stack.client.list(limit=5000)}
    assert len(audio) == len(recorded(stack)) == 3000


def test_wait_shows_how_many_have_ended(stack: Stack) -> None:
    ids = [stack.client.submit("s3://recordings/a.wav", name=f"job-{n}").id for n in range(3)]
    terminal = Terminal(stack, "wait", *ids)
    until(lambda: "0/3" in terminal.shown)
    for each in ids:
        stack.client.cancel(each)
    code, lines, shown = terminal.end()
    assert code == 1
    assert sorted(lines) == [f"{each}\tCANCELLED" for each in ids]
    assert "transcribing" in shown


def test_that_no_worker_is_alive_is_said_soon_and_once(stack: Stack) -> None:
    audio = str(stack.sample("silence.wav"))
    for command in (("submit", audio, "--name", "alone", "--wait"), ("wait", "alone")):
        ran = stack.transcribe(*command, "--timeout", "3")
        assert ran.returncode == 3
        assert ran.stderr.count("the jobs wait: no worker is alive; start one with") == 1
    stack.client.cancel("alone")
    assert "no worker" not in stack.transcribe("wait", "alone").stderr
