"""`transcribe local` as a process of its own, and what is seen of it from outside."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.fork_server import ForkedPopen
from tests.support.waiting import until

TRANSCRIBE = str(Path(sys.executable).parent / "transcribe")


@contextmanager
def local(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`transcribe local` in a folder, ended if the test does not.

    What it prints is in the files `stdout` and `stderr` there.
    """
    (folder / "tmp").mkdir()
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        process = ForkedPopen(
            [TRANSCRIBE, "local", *arguments],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp"), **environment},
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def descendants(parent: int) -> set[int]:
    """All processes beneath one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: set[int] = set()
    waiting = [parent]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def running(pids: set[int]) -> set[int]:
    """Those that still run; a zombie has ended."""
    alive = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            alive.add(pid)
    return alive


def up(folder: Path, process: subprocess.Popen[str]) -> set[int]:
    """Wait until the sandbox is up; returns its processes."""
    until(lambda: "sandbox runs" in (folder / "stderr").read_text())
    children = descendants(process.pid)
    assert len(children) >= 3
    return children


def variables(folder: Path) -> dict[str, str]:
    """Those that the sandbox prints for other terminals."""
    exports = re.findall(r"^export (\w+)=(.*)$", (folder / "stdout").read_text(), re.MULTILINE)
    return {name: shlex.split(value)[0] for name, value in exports}


def temporary(folder: Path) -> list[Path]:
    """What is left in the command's own folder for temporary files."""
    return list((folder / "tmp").iterdir())


class Terminal:
    """A terminal, and the command that has it in its foreground."""

    def __init__(self, master: int, process: subprocess.Popen[str]) -> None:
        self.master = master
        self.process = process

    def press_ctrl_c(self) -> None:
        """Have the kernel send SIGINT to all of the terminal's foreground group."""
        os.write(self.master, b"\x03")


@contextmanager
def in_terminal(folder: Path, *arguments: str, **environment: str) -> Iterator[Terminal]:
    """The same in the foreground of a terminal of its own, which is its stdin."""
    (folder / "tmp").mkdir()
    master, slave = pty.openpty()
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [TRANSCRIBE, "local", *arguments],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp"), **environment},
            stdin=slave,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)
