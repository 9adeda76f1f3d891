"""The HTTP server of the emulator for benchmarks: uvicorn, with the application in its event loop.

A thread for each request costs more than a request that is answered out of memory. An application
that waits would stop all others, so faults that drop connections are not implemented here.
"""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import uvicorn

from localaws.errors import ServiceError
from localaws.http.answers import error_answer
from localaws.http.server import Application, Environ

_UNPREFIXED = {"CONTENT_TYPE", "CONTENT_LENGTH"}

_Message = dict[str, Any]


@contextmanager
def serving_in_loop(host: str, port: int, app: Application, *, verbose: bool) -> Iterator[int]:
    """Like localaws.http.server.serving."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=256) as listener:
        config = uvicorn.Config(
            _Asgi(app),
            log_level="info" if verbose else "error",
            access_log=verbose,
            lifespan="off",
            http="httptools",
            timeout_keep_alive=600,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="localaws")
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


class _Asgi:
    """Calls a WSGI application once the whole request has come."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        pieces = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            pieces.append(message["body"])
            if not message["more_body"]:
                break
        environ = _environ(scope, b"".join(pieces))
        started: list[Any] = []

        def start_response(*answer: Any) -> None:
            started[:] = answer

        try:
            chunks = self._app(environ, start_response)
        except ConnectionResetError:
            error = ServiceError("NotImplemented", "This server drops no connections.", 501)
            chunks = error_answer(error, "s3")(environ, start_response)
        body = b"".join(chunks)
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in started[1]]
        status = int(started[0].partition(" ")[0])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _environ(scope: dict[str, Any], body: bytes) -> Environ:
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "REQUEST_URI": f"{path}?{query}" if query else path,
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in scope["headers"]:
        variable = name.decode("latin-1").upper().replace("-", "_")
        environ[variable if variable in _UNPREFIXED else f"HTTP_{variable}"] = value.decode(
            "latin-1"
        )
    return environ
