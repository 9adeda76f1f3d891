"""The HTTP/1.1 server of `--light`: one thread, an event loop, and an application that never waits.

A thread for each connection costs most of what a small request costs. Here the application is
called in the loop, which suits one that answers out of memory.
"""

import asyncio
import io
import sys
import threading
import traceback
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from localaws.http.disconnect import Disconnect

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]

_UNPREFIXED = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class LightServer:
    """Serves a WSGI application. Raises OSError where the port cannot be had."""

    def __init__(self, host: str, port: int, app: Application, *, verbose: bool) -> None:
        self.app = app
        self.verbose = verbose
        self.connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        try:
            self._server = self._loop.run_until_complete(
                self._loop.create_server(lambda: _Connection(self), host, port, backlog=256)
            )
        except BaseException:
            self._loop.close()
            raise
        self.port = int(self._server.sockets[0].getsockname()[1])

    def serve(self) -> None:
        """Serve until stop()."""
        self._loop.run_forever()
        self._server.close()
        for connection in list(self.connections):
            connection.close()
        # Closing a transport takes a turn of the loop.
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def stop(self, serving: threading.Thread) -> None:
        """End serve() and every connection."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        serving.join()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have the loop call something after a while."""
        self._loop.call_later(seconds, call)


class _Connection(asyncio.Protocol):
    """One client; its requests are answered one after the other."""

    def __init__(self, server: LightServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._head: dict[str, Any] | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._server.connections.discard(self)

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while (request := self._next_request()) is not None:
                self._serve(*request)
        except (ValueError, IndexError):
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            self._transport.close()

    def _next_request(self) -> tuple[dict[str, Any], bytes] | None:
        """The next whole request, if it has come. Raises ValueError for what is not HTTP."""
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._head = _environ(self._buffer[:end].decode("latin-1"), self._server.port)
            del self._buffer[: end + 4]
            if self._head.get("HTTP_EXPECT", "").lower() == "100-continue":
                self._transport.write(_CONTINUE)
        body = self._body(self._head)
        if body is None:
            return None
        environ, self._head = self._head, None
        return environ, body

    def _body(self, environ: dict[str, Any]) -> bytes | None:
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            return self._chunked_body()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _chunked_body(self) -> bytes | None:
        """A body in HTTP's own chunks, once all of it is there."""
        chunks: list[bytes] = []
        position = 0
        while (line_end := self._buffer.find(b"\r\n", position)) >= 0:
            size = int(self._buffer[position:line_end].partition(b";")[0], 16)
            position = line_end + 2
            if len(self._buffer) < position + size + 2:
                return None
            chunks.append(bytes(self._buffer[position : position + size]))
            position += size + 2
            if size == 0:
                del self._buffer[:position]
                return b"".join(chunks)
        return None

    def _serve(self, environ: dict[str, Any], body: bytes) -> None:
        environ["wsgi.input"] = io.BytesIO(body)
        started: list[Any] = []
        try:
            chunks = self._server.app(environ, lambda *answer: started.extend(answer))
            status, headers, payload = started[0], started[1], b"".join(chunks)
        except Disconnect as end:
            self._server.later(end.seconds, self.close)
            return
        except Exception:  # noqa: BLE001 - the client needs an answer and the user the trace
            traceback.print_exc()
            status, payload = "500 Internal Server Error", b'{"__type":"InternalFailureException"}'
            headers = [
                ("Content-Type", "application/x-amz-json-1.1"),
                ("Content-Length", str(len(payload))),
            ]
        if self._server.verbose:
            path, code = environ["PATH_INFO"], status.partition(" ")[0]
            sys.stderr.write(f"{environ['REQUEST_METHOD']} {path} {code} {len(payload)}\n")
        head = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        head += [_date_line(), "Server: localaws\r\n\r\n"]
        self._transport.write("\r\n".join(head).encode("latin-1") + payload)
        if environ.get("HTTP_CONNECTION", "").lower() == "close":
            self._transport.close()


def _environ(head: str, port: int) -> dict[str, Any]:
    """What WSGI says of a request. Raises ValueError for what is not HTTP."""
    first, *lines = head.split("\r\n")
    method, target, protocol = first.split(" ")
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": protocol,
        "SERVER_PORT": str(port),
        "wsgi.url_scheme": "http",
        "HTTP_HOST": f"127.0.0.1:{port}",
    }
    for line in lines:
        name, _, value = line.partition(":")
        environ[_variable(name)] = value.strip()
    return environ


@lru_cache(maxsize=1024)
def _variable(name: str) -> str:
    upper = name.upper()
    return _UNPREFIXED.get(upper) or "HTTP_" + upper.replace("-", "_")


def _date_line() -> str:
    return f"Date: {formatdate(usegmt=True)}"
