"""A TCP proxy that answers late, or for a while not at all, and closes nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.support.proxy import end
from tests.support.stack import Stack


class SlowProxy:
    """Delays each answer; while it is open nothing is lost."""

    def __init__(self, url: str) -> None:
        port = urlsplit(url).port
        assert port is not None
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = url.replace(f"127.0.0.1:{port}", self.address)
        #: seconds by which each answer comes late
        self.delay = 0.0
        #: the same for each request, anew
        self.detour: Callable[[], float] = lambda: 0.0
        #: answers that came so far, and connections
        self.answers = self.connections = 0
        self._flows = threading.Event()
        self._flows.set()
        self._dead: set[socket.socket] = set()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def stall(self) -> None:
        """Keep all answers back until `resume`."""
        self._flows.clear()

    def resume(self) -> None:
        """Send the answers that were kept back."""
        self._flows.set()

    def forget(self) -> None:
        """Let nothing through any more on what is open now, as when the other machine is gone."""
        self._dead |= set(self._sockets)

    def close(self) -> None:
        self.resume()
        end(self._listener, self._sockets, self._threads)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                return
            self.connections += 1
            self._sockets += [near, far]
            for source, target, late in ((near, far, False), (far, near, True)):
                arguments = (source, target, late)
                thread = threading.Thread(target=self._copy, args=arguments, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _copy(self, source: socket.socket, target: socket.socket, late: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay if late else self.detour())
                if late:
                    self.answers += 1
                    self._flows.wait()
                if source not in self._dead:
                    target.sendall(data)
            if source not in self._dead:
                target.shutdown(socket.SHUT_RDWR)


@contextmanager
def slowly(stack: Stack, url: str = "") -> Iterator[SlowProxy]:
    """A slow way to the stack's Redis, or to another server of this machine."""
    proxy = SlowProxy(url or stack.redis_url)
    try:
        yield proxy
    finally:
        proxy.close()
