"""`transcribe local --aws` that ends early says what it leaves at AWS, and leaves no process."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from benchmarks.recordings import make
from producer.backend import keys
from tests.support.local_command import descendants, in_terminal, running, temporary
from tests.support.stack import BUCKET, Stack
from tests.support.waiting import DEADLINE, until

pytestmark = pytest.mark.long

SEE = "aws transcribe list-transcription-jobs --status IN_PROGRESS"
REMOVE = ("aws s3 rm ADDRESS", "aws transcribe delete-transcription-job")


def prepared(stack: Stack, *options: str) -> tuple[Path, dict[str, str]]:
    """AWS, a folder to run in, and what a user has in the environment."""
    stack.start_aws(*options)
    folder = stack.folder / "here"
    folder.mkdir()
    environment = {
        name: value for name, value in stack.environment.items() if name.startswith("AWS_")
    }
    return folder, environment | {"TRANSCRIBE_BUCKET": BUCKET}


def recordings(folder: Path, *names: str) -> list[str]:
    # Each with sound of its own: the same would be transcribed once.
    make(folder, [name.removesuffix(".wav") for name in names])
    return [str(folder / name) for name in names]


def child(pids: set[int], words: str) -> int:
    """The one of the processes that was started by a command."""
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in pids}
    (found,) = [pid for pid, line in lines.items() if words in line.replace("\0", " ")]
    return found


def listed(stderr: str, what: str) -> list[str]:
    """What is listed beneath a word."""
    return sorted(re.findall(rf"^  {what}:  (\S+)$", stderr, re.MULTILINE))


def wait_until_known(folder: Path, pid: int, names: list[str]) -> None:
    """Until the records say that the jobs run, and then until the command has read them."""
    (file,) = (folder / "tmp").glob("*/redis.conf")
    settings = dict(line.split(maxsplit=1) for line in file.read_text().splitlines())
    with redis.Redis(
        port=int(settings["port"]),
        password=settings["requirepass"],
        decode_responses=True,
        socket_timeout=DEADLINE,
    ) as broker:
        running = ["TRANSCRIBING"] * len(names)
        until(lambda: [broker.hget(keys.JOB(name), "state") for name in names] == running)
        unread = set(names)
        with broker.monitor() as monitor:
            for seen in monitor.listen():
                ports = {each.laddr.port for each in psutil.Process(pid).net_connections()}
                words = seen["command"].split()
                if words[0] == "HGETALL" and int(seen["client_port"]) in ports:
                    unread.discard(words[1].rpartition(":")[2])
                if not unread:
                    return


def kill(words: str, number: signal.Signals) -> Callable[[int], None]:
    return lambda pid: os.kill(child(descendants(pid), words), number)


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("ctrl-c", 130, "interrupted"),
        (lambda pid: os.kill(pid, signal.SIGTERM), 130, "interrupted"),
        (lambda pid: os.kill(pid, signal.SIGHUP), 130, "interrupted"),
        (kill("celery -A worker", signal.SIGKILL), 1, "worker does not run: SIGKILL ended it"),
        (kill("redis-server", signal.SIGKILL), 1, "redis does not run: SIGKILL ended it"),
        ("--timeout", 3, "Not all jobs had ended after 30 s"),
    ],
    ids=["ctrl-c", "sigterm", "hangup", "worker", "redis", "timeout"],
)
def test_whatever_ends_it_early_lists_what_runs_and_what_lies_there(
    stack: Stack, end: str | Callable[[int], None], code: int, said: str
) -> None:
    folder, environment = prepared(stack, "--recogniser", "fixed:600")
    files = recordings(folder, "one.wav", "two.wav")
    options = ["--timeout", "30"] if end == "--timeout" else []
    with in_terminal(folder, "--aws", *files, *options, **environment) as terminal:
        until(lambda: stack.account()["running"] == 2)
        names = sorted(job["name"] for job in stack.account()["jobs"])
        wait_until_known(folder, terminal.process.pid, names)
        children = descendants(terminal.process.pid)
        assert len(children) >= 2
        if callable(end):
            end(terminal.process.pid)
        elif end == "ctrl-c":
            terminal.press_ctrl_c()
            # An impatient person presses it again, and again.
            until(lambda: "stopping the worker" in (folder / "stderr").read_text())
            terminal.press_ctrl_c()
            terminal.press_ctrl_c()
        assert terminal.process.wait(timeout=DEADLINE) == code
    until(lambda: running(children) == set(), what="all children to end")
    stderr = (folder / "stderr").read_text()
    assert listed(stderr, "runs") == names
    audio = [f"s3://{BUCKET}/{key}" for key in stack.objects() if key.endswith("audio.wav")]
    assert listed(stderr, "audio") == sorted(audio)
    assert listed(stderr, "result, once it has ended") == [
        f"s3://{BUCKET}/transcribe-queue/{name}/{name}.json" for name in names
    ]
    lines = stderr.strip().splitlines()
    assert lines[-1].startswith("transcribe: ")
    assert said in lines[-1]
    (advice,) = [line for line in lines if SEE in line]
    assert [part for part in REMOVE if part not in advice] == []
    assert ("Redis does not answer any more" in stderr) is (said.startswith("redis"))
    assert "Traceback" not in stderr
    if code == 130:
        assert temporary(folder) == []


def test_a_failed_job_lists_what_is_left_of_all(stack: Stack) -> None:
    folder, environment = prepared(stack, "--recogniser", "fixed:0.2")
    stack.fault(kind="fail", match="^bad")
    files = recordings(folder, "good.wav", "bad.wav")
    with in_terminal(folder, "--aws", *files, **environment) as terminal:
        assert terminal.process.wait(timeout=DEADLINE) == 1
    stderr = (folder / "stderr").read_text()
    left = {f"s3://{BUCKET}/{key}" for key in stack.objects() if not key.endswith(".temp")}
    assert len(left) == 3
    assert {*listed(stderr, "audio"), *listed(stderr, "result")} == left
    assert "runs:" not in stderr
    assert SEE in stderr


def test_what_was_cleaned_up_is_not_listed(stack: Stack) -> None:
    folder, environment = prepared(stack, "--recogniser", "fixed:0.2")
    stack.fault(kind="fail", match="^bad")
    stack.fault(kind="not_json", match="^broken")
    environment["TRANSCRIBE_RESULT_PATIENCE"] = "0.1"
    files = recordings(folder, "good.wav", "bad.wav", "broken.wav")
    with in_terminal(folder, "--aws", *files, "--cleanup", **environment) as terminal:
        assert terminal.process.wait(timeout=DEADLINE) == 1
    stderr = (folder / "stderr").read_text()
    left = {f"s3://{BUCKET}/{key}" for key in stack.objects() if not key.endswith(".temp")}
    assert any("/broken-" in address for address in left)
    assert not any("/good-" in address for address in left)
    assert {*listed(stderr, "audio"), *listed(stderr, "result")} == left


def test_all_is_well_lists_nothing(stack: Stack) -> None:
    folder, environment = prepared(stack, "--recogniser", "fixed:0.2")
    files = recordings(folder, "good.wav")
    with in_terminal(folder, "--aws", *files, **environment) as terminal:
        assert terminal.process.wait(timeout=DEADLINE) == 0
    assert "at AWS" not in (folder / "stderr").read_text()


@pytest.mark.parametrize("moment", ["starting Redis", "starting the local", "starting a worker"])
def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path, moment: str) -> None:
    files = recordings(tmp_path, "one.wav")
    with in_terminal(tmp_path, *files) as terminal:
        until(lambda: moment in (tmp_path / "stderr").read_text())
        children = descendants(terminal.process.pid)
        terminal.press_ctrl_c()
        terminal.press_ctrl_c()
        assert terminal.process.wait(timeout=DEADLINE) == 130
    until(lambda: running(children) == set(), what="all children to end")
    stderr = (tmp_path / "stderr").read_text()
    assert "Traceback" not in stderr
    assert stderr.strip().splitlines()[-1] == "transcribe: interrupted."
    assert temporary(tmp_path) == []
