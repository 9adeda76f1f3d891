"""The WSGI application of the port: Transcribe, `/_localaws/`, and the backend's services."""

import io
import threading
from collections.abc import Iterable
from typing import Any

from localaws.errors import Disconnect, ServiceError
from localaws.faults import Fault, FaultInjector
from localaws.http.admin import PREFIX, Admin, CallCounts
from localaws.http.answers import (
    Answer,
    aws_json,
    error_answer,
    fault_answer,
    json_error,
    plain_json,
    throttled,
)
from localaws.http.server import Application, Environ
from localaws.http.signatures import Authenticator
from localaws.operations import Call, form_action, identify
from localaws.quotas import RateLimiter
from localaws.transcribe.api import TranscribeApi, decode

_FORM = "application/x-www-form-urlencoded"


class Router:
    """Applies authentication, faults and quotas, then routes the request to its service."""

    def __init__(
        self,
        api: TranscribeApi,
        admin: Admin,
        faults: FaultInjector,
        limiter: RateLimiter,
        calls: CallCounts,
        other: Application,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._api = api
        self._admin = admin
        self._faults = faults
        self._limiter = limiter
        self._calls = calls
        self._other_app = other
        self._authenticator = authenticator

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(PREFIX):
            return self._administer(path.removeprefix(PREFIX), environ)(environ, start_response)
        call = identify(environ)
        if self._authenticator is not None:
            try:
                self._authenticator.check(environ, call.service)
            except ServiceError as error:
                return error_answer(error, call.service)(environ, start_response)
        if call.service == "transcribe":
            return self._transcribe(call, environ)(environ, start_response)
        return self._other(call, environ, start_response)

    def _administer(self, path: str, environ: Environ) -> Answer:
        # Health is public.
        if (
            self._authenticator is not None
            and path != "health"
            and not self._authenticator.is_admin(environ)
        ):
            return plain_json(
                {"error": "Send the access key id and the secret by HTTP Basic."}, 401
            )
        return self._admin.answer(environ["REQUEST_METHOD"], path, _body(environ))

    def _transcribe(self, call: Call, environ: Environ) -> Answer:
        try:
            params = decode(_body(environ))
            cleared = self._faults.cleared
            name = params.get("TranscriptionJobName") or params.get("JobNameContains") or ""
            fault = self._faults.for_call(call.operation, str(name))
            refused = _refuses(fault) or not self._limiter.acquire(call.operation)
            self._calls.add(call.operation, refused=refused)
            if fault and _refuses(fault):
                return _misbehave(fault, call, cleared)
            if refused:
                raise throttled()
            base_url = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
            answer = aws_json(self._api.call(call.operation, params, call.region, base_url))
        except ServiceError as error:
            self._calls.add_error(call.operation, error.code)
            return json_error(error)
        return _misbehave(fault, call, cleared) if fault else answer

    def _other(self, call: Call, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ.get("CONTENT_TYPE", "").startswith(_FORM):
            body = _body(environ)
            environ["wsgi.input"] = io.BytesIO(body)
            call = Call(call.service, form_action(body) or call.operation, call.region, call.name)
        cleared = self._faults.cleared
        fault = self._faults.for_call(call.operation, call.name)
        self._calls.add(call.operation, refused=_refuses(fault))
        if fault is None and call.operation == "ListServiceQuotas":
            _body(environ)
            return aws_json(self._limiter.quotas.listed())(environ, start_response)
        if fault is None:
            return self._other_app(environ, start_response)
        if not _refuses(fault):
            # The work is done; the client gets the fault's answer.
            _discard(self._other_app(environ, lambda *_: None))
        return _misbehave(fault, call, cleared)(environ, start_response)


def _misbehave(fault: Fault, call: Call, cleared: threading.Event) -> Answer:
    """Raises Disconnect for a timeout."""
    if fault.kind.startswith("timeout"):
        raise Disconnect(fault.seconds, cleared)
    return fault_answer(fault.kind, call.service)


def _refuses(fault: Fault | None) -> bool:
    """Whether the fault prevents the work."""
    return fault is not None and not fault.kind.endswith("_after")


def _body(environ: Environ) -> bytes:
    body: bytes = environ["wsgi.input"].read()
    return body


def _discard(chunks: Any) -> None:
    for _ in chunks:
        pass
    if hasattr(chunks, "close"):
        chunks.close()
