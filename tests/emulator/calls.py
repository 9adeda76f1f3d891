"""How often each operation was called."""

import copy
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any


class CallCounts:
    """Calls and refusals of each operation, and its most calls in any one second.

    A second begins at any call and excludes a call exactly one second later. Safe between threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._errors: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._last_second: defaultdict[str, deque[float]] = defaultdict(deque)
        self._max_per_second: Counter[str] = Counter()

    def add(self, operation: str) -> None:
        """Count a call as it comes."""
        with self._lock:
            self._counts[operation].update(count=1, refused=0)
            now = self._clock()
            last = self._last_second[operation]
            last.append(now)
            while last[0] <= now - 1:
                last.popleft()
            self._max_per_second[operation] = max(self._max_per_second[operation], len(last))

    def add_refusal(self, operation: str) -> None:
        """Count a call that came to nothing."""
        with self._lock:
            self._counts[operation]["refused"] += 1

    def add_error(self, operation: str, code: str) -> None:
        """Count an error answer of Transcribe."""
        with self._lock:
            self._errors[operation][code] += 1

    def report(self) -> dict[str, Any]:
        """All counts so far, by operation."""
        counted = {
            "calls": self._counts,
            "errors": self._errors,
            "max_per_second": self._max_per_second,
        }
        with self._lock:
            return copy.deepcopy(counted)
