"""Tests wait for conditions, never for a time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

#: Seconds after which a test fails if its condition is still false. Far more than any condition
#: needs, for the machine may be busy.
DEADLINE = 100.0


def until(condition: Callable[[], object], seconds: float = DEADLINE, what: str = "") -> Any:
    """Wait for a condition; returns its value. Fails after a deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.02)
    return value
