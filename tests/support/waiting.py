"""Tests wait for conditions, never for a time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

#: Seconds after which what a test waits for is taken not to come. How long it may take is not said:
#: the machine may be busy with much else.
DEADLINE = 100.0


def until(condition: Callable[[], object], seconds: float = DEADLINE, what: str = "") -> Any:
    """Wait for a condition; returns what it gave. Fails after a deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.02)
    return value
