"""A TCP proxy before Redis that fails as networks do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.stack import Stack


class Proxy:
    """Passes everything on, until a test silences it or a certain command comes."""

    def __init__(self, stack: Stack, lost_after: bytes | None = None) -> None:
        """Stand before Redis; with `lost_after`, the answer to a command with it gets lost."""
        self._port = stack.redis_port
        self._lost_after = lost_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = stack.redis_url_by(self._listener.getsockname()[1])
        #: cleared, nothing gets through, and no connection is closed
        self.speaks = threading.Event()
        self.speaks.set()
        #: connections that were closed at once, for Redis was not there
        self.refused = 0
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Close every connection and end every thread."""
        self.speaks.set()
        end(self._listener, self._sockets, self._threads)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                self.refused += 1
                continue
            self._sockets += [near, far]
            losing = threading.Event()
            for copy in ((near, far, self._lost_after, losing), (far, near, None, losing)):
                thread = threading.Thread(target=self._copy, args=copy, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _copy(
        self,
        source: socket.socket,
        target: socket.socket,
        lost_after: bytes | None,
        losing: threading.Event,
    ) -> None:
        try:
            while data := source.recv(65536):
                if not self.speaks.is_set():
                    # What was on its way is lost, as in a network that has failed.
                    self.speaks.wait()
                    break
                if lost_after is not None and lost_after in data:
                    # Before it is passed on, for the answer may come at once.
                    losing.set()
                elif losing.is_set():
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def end(
    listener: socket.socket, sockets: list[socket.socket], threads: list[threading.Thread]
) -> None:
    """Close every connection and end every thread; both lists may grow meanwhile."""
    for each in (listener, *sockets):
        with suppress(OSError):  # closed by the other side already
            each.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(timeout=10)
    for each in (listener, *sockets):
        each.close()


@contextmanager
def proxied(stack: Stack, lost_after: bytes | None = None) -> Iterator[Proxy]:
    """A proxy before the stack's Redis for the time of a `with`."""
    proxy = Proxy(stack, lost_after)
    try:
        yield proxy
    finally:
        proxy.close()
