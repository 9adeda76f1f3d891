"""What the harness and the process that submits say to each other.

The driver sets itself up and says `ready`; on `go` it submits all jobs and says `submitted`; when
it has them all back it says `done`, and ends when its stdin does. So what it costs can be measured
without what starting it costs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Work:
    """What a driver has to do."""

    audio: Path
    results: Path
    names: list[str]
    cleanup: bool

    def recording(self, name: str) -> Path:
        """Where the recording of a name lies."""
        return self.audio / f"{name}.wav"


def read_work() -> Work:
    """Read the command line of a driver."""
    parser = argparse.ArgumentParser()
    parser.add_argument("audio", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("names", type=Path, help="a file of names, one a line")
    parser.add_argument("--cleanup", action="store_true")
    options = parser.parse_args()
    names = options.names.read_text().split()
    return Work(options.audio, options.results, names, options.cleanup)


def drive(submit: Callable[[], Callable[[], int]]) -> None:
    """Run one driver.

    Args:
        submit: submits all jobs and returns what waits for them, which returns how many failed.
            Why they did belongs on stderr, which becomes the driver's log.
    """
    say("ready")
    sys.stdin.readline()
    say("go", time.time())
    wait = submit()
    say("submitted", time.time())
    failed = wait()
    say("done", time.time(), failed)
    sys.stdin.read()


def say(*words: object) -> None:
    """One line to the harness."""
    print(*words, flush=True)
