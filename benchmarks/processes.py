"""What processes cost: CPU and memory, their children's too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Cost:
    """CPU in seconds, the most memory resident at any time in bytes, and of how many processes."""

    cpu: float
    peak_rss: int
    processes: int


def cost(pids: Iterable[int]) -> Cost:
    """What processes and those that they started have cost since they began."""
    cpu, peak, count = 0.0, 0, 0
    for process in _trees(pids):
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            times = process.cpu_times()
            # Children that have ended are in their parent's account.
            cpu += times.user + times.system + times.children_user + times.children_system
            peak += _peak_rss(process.pid)
            count += 1
    return Cost(cpu, peak, count)


def rss(pids: Iterable[int]) -> int:
    """Bytes that processes and those that they started have resident now."""
    found = 0
    for process in _trees(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.memory_info().rss
    return found


def _trees(pids: Iterable[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def _peak_rss(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
