"""Where the CPU of a process goes: sampled from outside by py-spy.

Only threads that run are counted. What the standard library does is put down to who called it.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_RATE = 200
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.+?)(:(?P<line>\d+))?\)")
_THREAD = re.compile(r"thread \(\w+\): (?P<name>.*)")
_PACKAGES = {
    "boto3": "boto3",
    "botocore": "boto3",
    "s3transfer": "boto3",
    "urllib3": "boto3",
    "jmespath": "boto3",
    "celery": "Celery",
    "kombu": "Celery",
    "vine": "Celery",
    "billiard": "Celery",
    "amqp": "Celery",
    "redis": "redis",
    "structlog": "logging",
    "logging": "logging",
    "pydantic": "pydantic",
    "producer": "ours",
    "worker": "ours",
}


@dataclass(frozen=True)
class Stack:
    """What one thread was seen at, from the outermost frame to the innermost, and how often."""

    thread: str
    #: function and file of each frame
    frames: tuple[tuple[str, str], ...]
    count: int


class Profiler:
    """Samples a process for the time of a `with`. Raises RuntimeError where that is not allowed."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._pid = pid
        self._output = folder / "profile.txt"
        self._log = folder / "profile.log"
        self.stacks: list[Stack] = []

    def __enter__(self) -> Self:
        command = [
            *(str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(self._pid)),
            *("--format", "raw", "--threads", "--rate", str(_RATE), "--nonblocking"),
            *("--output", str(self._output)),
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        if kind is not None:
            return
        if not self._output.exists():
            raise RuntimeError(f"py-spy could not sample the worker: {self._log.read_text()}")
        self.stacks = read(self._output.read_text())


def read(text: str) -> list[Stack]:
    """Read what py-spy writes as `raw`: one stack a line, outermost frame first, and a count."""
    stacks = []
    for line in text.splitlines():
        path, _, count = line.rpartition(" ")
        first, *frames = path.split(";")
        named = _THREAD.fullmatch(first)
        found = [_FRAME.fullmatch(frame) for frame in frames]
        stacks.append(
            Stack(
                named["name"] if named else first,
                tuple((each["function"], each["file"]) for each in found if each),
                int(count),
            )
        )
    return stacks


def package(stack: Stack) -> str:
    """Whose code ran: that of the innermost frame that is not the standard library's."""
    packages = [found for _, file in stack.frames if (found := _package_of(file))]
    if not packages:
        return "Python itself"
    if packages[-1] != "redis":
        return packages[-1]
    callers = [each for each in packages if each != "redis"]
    return f"redis, for {callers[-1]}" if callers else "redis"


def our_function(stack: Stack) -> str:
    """The innermost function of ours that ran or waited for what ran."""
    for function, file in reversed(stack.frames):
        if file.startswith(("producer/", "worker/")):
            return f"{file}: {function}"
    return "none of ours"


def innermost(stack: Stack) -> str:
    """The function that ran, of any package."""
    function, file = stack.frames[-1] if stack.frames else ("?", "?")
    return f"{file}: {function}"


def stage(stack: Stack) -> str:
    """The task that ran; else the kind of thread."""
    tasks = [function for function, file in stack.frames if file == "worker/tasks.py"]
    return f"task {tasks[0]}" if tasks else thread(stack)


def thread(stack: Stack) -> str:
    """Which kind of thread it was: those of a pool are one kind."""
    return re.sub(r"\d+", "n", stack.thread)


def report(stacks: list[Stack], cpu_ms_a_job: float) -> str:
    """The tables, in milliseconds a job."""
    total = sum(stack.count for stack in stacks)
    parts: list[tuple[str, Callable[[Stack], str], int]] = [
        ("by package", package, 20),
        ("by function of ours", our_function, 25),
        ("by innermost function", innermost, 25),
        ("by thread", thread, 15),
        ("by task", stage, 15),
    ]
    text = [
        f"{cpu_ms_a_job:.1f} ms of CPU a job in the workers, by the kernel's account",
        f"{total} samples of the first, {total / _RATE:.1f} s of CPU",
    ]
    for title, key, count in parts:
        text += ["", title, *_lines(_counted(stacks, key).most_common(count), total, cpu_ms_a_job)]
    return "\n".join(text)


def _counted(stacks: Iterable[Stack], key: Callable[[Stack], str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for stack in stacks:
        counts[key(stack)] += stack.count
    return counts


def _lines(counts: list[tuple[str, int]], total: int, cpu_ms_a_job: float) -> list[str]:
    return [
        f"{cpu_ms_a_job * count / total:8.2f} ms {100 * count / total:5.1f} %  {name}"
        for name, count in counts
    ]


def _package_of(file: str) -> str | None:
    """Whose a file is; None for the standard library's, and for what was misread.

    py-spy does not halt the process while it samples, so a few names are torn.
    """
    if not file.endswith(".py"):
        return None
    if file == "worker/ingress/transport.py":
        return "Celery"  # ours, but a part of its transport
    first = file.split("/", maxsplit=1)[0].removesuffix(".py")
    if first in _PACKAGES:
        return _PACKAGES[first]
    return None if first in sys.stdlib_module_names or first.startswith("<") else first
