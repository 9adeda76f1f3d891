"""The process that submits, as the stand sees it; `benchmarks.driver` is its other side."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Self

from producer.cli.sandbox.processes import Sandbox


class DriverProcess:
    """The process that submits; see benchmarks.driver for what it says."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], sandbox: Sandbox
    ) -> None:
        self._log = sandbox.log("driver").open("wb")
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=sandbox.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._sandbox = sandbox
        self.submitted = 0.0
        self.failed = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def expect(self, word: str) -> list[str]:
        """The rest of the next line, which must begin with this word. Raises RuntimeError."""
        assert self._process.stdout is not None
        words = self._process.stdout.readline().decode().split()
        if not words or words[0] != word:
            raise self._sandbox.failed("driver")
        return words[1:]

    def go(self) -> float:
        """Let it begin; returns when it did."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        return float(self.expect("go")[0])

    def watch(self, progress: Callable[[float], None]) -> None:
        """Return when it is done; call `progress` each second with the seconds so far."""
        started_at = time.monotonic()
        self.submitted = float(self.expect("submitted")[0])
        stdout = self._process.stdout
        assert stdout is not None
        while not select.select([stdout], [], [], 1.0)[0]:
            progress(time.monotonic() - started_at)
            self._sandbox.check()
        self.failed = int(self.expect("done")[1])
