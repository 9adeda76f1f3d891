"""The emulator's application as tests need it: calls are counted, and fail as the faults say."""

import errno
import json
import threading
from collections.abc import Iterable
from typing import Any

from localaws.errors import ServiceError
from localaws.http.answers import JSON_SERVICES, Answer, error_answer
from localaws.http.routing import HEALTH
from localaws.http.server import Application, Environ
from tests.emulator.admin import PREFIX, Admin
from tests.emulator.calls import CallCounts
from tests.emulator.faults import Fault, FaultInjector
from tests.emulator.operations import NamedCall, identify

_THROTTLED = "ThrottlingException"
#: The answer of each fault: in AWS JSON (Transcribe), and in XML (S3 and others).
_JSON_ERRORS = {
    "throttle": (_THROTTLED, "Rate exceeded", 400),
    "limit": (
        "LimitExceededException",
        "You have sent too many requests, or too many jobs are running: wait and try again.",
        400,
    ),
    "error500": ("InternalFailureException", "Internal failure: a fault of localaws.", 500),
    "expired_token": ("ExpiredTokenException", "The request's security token has expired.", 400),
    "access_denied": ("AccessDeniedException", "This identity may not do that.", 400),
    "lost_bucket": ("BadRequestException", "The specified S3 bucket can't be accessed.", 400),
}
_XML_ERRORS = {
    "throttle": ("SlowDown", "Reduce your request rate.", 503),
    "limit": ("SlowDown", "Reduce your request rate.", 503),
    "error500": ("InternalError", "Internal error: a fault of localaws.", 500),
    "expired_token": ("ExpiredToken", "The request's security token has expired.", 400),
    "access_denied": ("AccessDenied", "Access Denied", 403),
    "lost_bucket": ("NoSuchBucket", "The specified bucket does not exist", 404),
}


class Watch:
    """Counts each call, and lets a fault that fits it answer in place of the emulator."""

    def __init__(
        self, app: Application, admin: Admin, faults: FaultInjector, calls: CallCounts
    ) -> None:
        self._app = app
        self._admin = admin
        self._faults = faults
        self._calls = calls

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == HEALTH:
            return self._app(environ, start_response)
        if path.startswith(PREFIX):
            return self._admin.answer(environ)(environ, start_response)
        call = identify(environ)
        cleared = self._faults.cleared
        fault = self._faults.for_call(call.operation, call.name)
        self._calls.add(call.operation)
        if fault is None:
            return self._counted(call, environ, start_response)
        if fault.kind.endswith("_after"):
            # The work is done; the client gets the fault's answer.
            _discard(self._counted(call, environ, lambda *_: None))
        else:
            self._calls.add_refusal(call.operation)
        return _misbehave(fault, call, cleared)(environ, start_response)

    def _counted(self, call: NamedCall, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a call, and count an error of Transcribe."""
        if call.service != "transcribe":
            return self._app(environ, start_response)
        statuses: list[str] = []

        def start(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, *rest)

        body = b"".join(self._app(environ, start))
        if statuses != ["200 OK"]:
            code = json.loads(body)["__type"]
            self._calls.add_error(call.operation, code)
            if code == _THROTTLED:
                self._calls.add_refusal(call.operation)
        return [body]


def _misbehave(fault: Fault, call: NamedCall, cleared: threading.Event) -> Answer:
    if fault.kind.startswith("timeout"):
        cleared.wait(fault.seconds)
        # cheroot closes the connection without an answer.
        raise ConnectionResetError(errno.ECONNRESET, "a fault")
    errors = _JSON_ERRORS if call.service in JSON_SERVICES else _XML_ERRORS
    error = ServiceError(*errors[fault.kind.removesuffix("_after")])
    return error_answer(error, call.service)


def _discard(chunks: Any) -> None:
    for _ in chunks:
        pass
    if hasattr(chunks, "close"):
        chunks.close()
