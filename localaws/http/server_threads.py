"""A threaded HTTP/1.1 server for one WSGI application, with connections that stay open.

werkzeug's own server closes every connection and waits 10 ms at the end of each request to see
whether more of its body comes; a boto3 client makes many small calls over one connection.
"""

import contextlib
import io
import selectors
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import HTTPServer
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler

from localaws.http.disconnect import Disconnect

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]

#: Below this size, head and body leave in one packet.
_ONE_WRITE = 65536


class HttpServer(ThreadingMixIn, HTTPServer):
    """A thread for each connection. Raises OSError where the port cannot be had."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256
    # What werkzeug's handler asks its server for.
    multithread, multiprocess, passthrough_errors = True, False, False
    ssl_context = None
    _server_version = "localaws"

    def __init__(self, host: str, port: int, app: Application, *, verbose: bool) -> None:
        self.app = app
        self.verbose = verbose
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._awake, self._waker = socket.socketpair()
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except BaseException:
            self._close_waker()
            raise

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind without asking the name server who we are, as http.server does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    def serve(self) -> None:
        """Serve until stop(). Unlike serve_forever it does not look several times a second."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            while all(key.fileobj is self.socket for key, _ in selector.select()):
                self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve this connection in a thread that stop() can find."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._lock:
            self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that goes away is none of our business; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()

    def stop(self, serving: threading.Thread) -> None:
        """End serve(), wake the threads that wait for a next request, and join them all."""
        self.stopping.set()
        self._waker.send(b"\0")
        serving.join()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in open_now.values():
            thread.join(5)
        self.server_close()
        self._close_waker()

    def _close_waker(self) -> None:
        self._awake.close()
        self._waker.close()


class _Handler(MotoRequestHandler):
    """moto's reading of a request, and an answer that keeps the connection."""

    protocol_version = "HTTP/1.1"
    # Head and body of a large answer are two writes: do not wait for the first to be confirmed.
    disable_nagle_algorithm = True
    server: HttpServer  # type: ignore[assignment]

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        body = _Body(environ)
        try:
            status, headers, payload = self._ask(environ)
        except Disconnect as end:
            self.server.stopping.wait(end.seconds)
            self.close_connection = True
            return
        except ConnectionError:
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 - the client needs an answer and the user the trace
            traceback.print_exc()
            status, payload = "500 Internal Server Error", b'{"__type":"InternalFailureException"}'
            headers = [("Content-Type", "application/x-amz-json-1.1")]
        body.drain()
        self._answer(status, headers, payload)

    def _ask(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        started: list[Any] = []

        def start_response(status: str, headers: Any, _exc_info: Any = None) -> None:
            started[:] = [status, headers]

        chunks = self.server.app(environ, start_response)
        try:
            payload = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return started[0], started[1], payload

    def _answer(self, status: str, headers: list[tuple[str, str]], payload: bytes) -> None:
        code = int(status.split(maxsplit=1)[0])
        self.log_request(code, len(payload))
        head = [f"HTTP/1.1 {status}", f"Date: {self.date_time_string()}", "Server: localaws"]
        names = {name.lower() for name, _ in headers}
        head += [f"{name}: {value}" for name, value in headers if name.lower() != "connection"]
        bodiless = self.command == "HEAD" or code in {HTTPStatus.NO_CONTENT, 304}
        if "content-length" not in names and not bodiless:
            head.append(f"Content-Length: {len(payload)}")
        if self.close_connection:
            head.append("Connection: close")
        data = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        if bodiless:
            payload = b""
        if len(payload) < _ONE_WRITE:
            self.wfile.write(data + payload)
        else:
            self.wfile.write(data)
            self.wfile.write(payload)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if self.server.verbose:
            sys.stderr.write(f"{self.command} {self.path} {code} {size}\n")


class _Body:
    """The request's body, put in the environ so that reading it ends where it ends."""

    def __init__(self, environ: dict[str, Any]) -> None:
        if not environ.get("wsgi.input_terminated"):  # else it is chunked, which ends by itself
            length = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"] = io.BufferedReader(_Limited(environ["wsgi.input"], length))
            environ["wsgi.input_terminated"] = True
        # The application may put another stream in its place.
        self._stream = environ["wsgi.input"]

    def drain(self) -> None:
        """Read what the application left, so that the next request begins where it should."""
        while self._stream.read(1 << 20):
            pass


class _Limited(io.RawIOBase):
    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._left)
        data = self._stream.read1(wanted) if wanted else b""
        if wanted and not data:
            raise ConnectionError("The client left in the middle of a request.")
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)
