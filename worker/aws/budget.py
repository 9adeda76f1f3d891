"""A budget of bytes that threads share, so that memory stays flat."""

import threading
from collections import deque
from collections.abc import Callable

#: Seconds between two checks of a thread that waits.
_CHECK_EVERY = 0.2


class Budget:
    """So many bytes that may be in use at once; threads get them in the order in which they ask.

    Threads that ask for one piece after the other so take turns.
    """

    def __init__(self, size: int) -> None:
        """Allow `size` bytes."""
        self._size = size
        self._free = size
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def acquire(self, size: int, check: Callable[[], object]) -> None:
        """Wait for `size` bytes, at most the whole budget; `release` them afterwards.

        Args:
            size: in bytes.
            check: called while waiting; what it raises ends the wait.
        """
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or self._free < min(size, self._size):
                    self._changed.wait(_CHECK_EVERY)
                    check()
                self._free -= size
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def release(self, size: int) -> None:
        """Free what was acquired."""
        with self._changed:
            self._free += size
            self._changed.notify_all()
