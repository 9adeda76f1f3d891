"""The HTTP/1.1 server: cheroot, and what S3 needs beside it."""

import errno
import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.wsgi import Gateway_10, Server

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

#: Requests at once.
_THREADS = 64
#: Connections that may stay open between requests.
_CONNECTIONS = 10_000
#: Seconds after which an idle connection, or one whose client sends nothing more, is closed.
_IDLE_SECONDS = 600
#: Seconds between two checks for idle connections, and so the longest that a stop waits for one.
_CHECK_SECONDS = 0.1
#: cheroot copies what it has not yet sent with each write to the socket.
_PIECE = 1 << 18


@contextmanager
def serving(host: str, port: int, app: Application, *, verbose: bool) -> Iterator[int]:
    """Serve a WSGI application until the block ends; returns the port.

    port:    0 chooses a free one.
    verbose: write a line to stderr for each request.

    Raises OSError if it cannot listen there.
    """
    server = Server(
        (host, port),
        _Application(app, verbose=verbose),
        numthreads=_THREADS,
        request_queue_size=256,
        timeout=_IDLE_SECONDS,
    )
    server.ConnectionClass = _Connection
    server.gateway = _Gateway
    server.keep_alive_conn_limit = _CONNECTIONS
    server.expiration_interval = _CHECK_SECONDS
    server.prepare()
    thread = threading.Thread(target=server.serve, name="localaws")
    thread.start()
    try:
        yield int(server.bind_addr[1])
    finally:
        server.stop()
        thread.join()


class _Request(HTTPRequest):
    # cheroot drops headers with an underscore, which S3's metadata may have.
    header_reader = HeaderReader()


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request


class _Gateway(Gateway_10):
    def get_environ(self) -> Environ:  # type: ignore[override]
        environ: Environ = super().get_environ()  # type: ignore[no-untyped-call]
        # cheroot leaves an encoded slash encoded.
        environ["PATH_INFO"] = unquote(environ["REQUEST_URI"].partition("?")[0], "latin-1")
        # moto's names for the path, and for metadata as the client wrote it.
        environ["RAW_URI"] = environ["REQUEST_URI"]
        names = [name.decode("latin-1") for name in self.req.inheaders if b"_" in name]
        environ["moto.preserved_header_names"] = {
            "HTTP_" + name.upper().replace("-", "_"): name for name in names
        }
        return environ


class _Application:
    """Reads what the application leaves of a body."""

    def __init__(self, app: Application, *, verbose: bool) -> None:
        self._app = app
        self._verbose = verbose

    def __call__(self, environ: Environ, start_response: Any) -> Iterator[bytes]:
        body = environ["wsgi.input"] = io.BufferedReader(_Body(environ["wsgi.input"]), _PIECE)

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            if self._verbose:
                sys.stderr.write(f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']} {status}\n")
            return start_response(status, headers, exc_info)

        chunks = self._app(environ, start)
        # The rest of a body in chunks would pass for the next request.
        while body.read(_PIECE):
            pass
        return _pieces(chunks, head_only=environ["REQUEST_METHOD"] == "HEAD")


class _Body(io.RawIOBase):
    """The body of a request, which must not end before its length: S3 would store the rest."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        if len(data) < len(buffer) and getattr(self._file, "remaining", False):
            raise ConnectionResetError(errno.ECONNRESET, "the client left in its request")
        buffer[: len(data)] = data
        return len(data)


def _pieces(chunks: Any, *, head_only: bool) -> Iterator[bytes]:
    try:
        for chunk in () if head_only else chunks:
            for start in range(0, len(chunk), _PIECE):
                yield chunk[start : start + _PIECE]
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
