"""A budget of bytes for which those who need some stand in line, so that memory stays flat."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

#: Seconds after which whoever waits looks whether it still shall.
_POLL_EVERY = 0.2


class Budget:
    """So many bytes that may be in use at once; who came first is served first.

    Whoever asks for one piece after the other so takes turns with all who do the same.
    """

    def __init__(self, size: int) -> None:
        """Have `size` bytes to give."""
        self._size = size
        self._free = size
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    def take(self, size: int, check: Callable[[], object]) -> None:
        """Wait for `size` bytes, at most all there are; to be given back by `give`.

        Args:
            size: in bytes.
            check: called while waiting; what it raises ends the wait.
        """
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            try:
                while self._line[0] is not ticket or self._free < min(size, self._size):
                    self._changed.wait(_POLL_EVERY)
                    check()
                self._free -= size
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()

    def give(self, size: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self._free += size
            self._changed.notify_all()
