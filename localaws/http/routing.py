"""The WSGI application of the port: Transcribe, Service Quotas, and the backend's services."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from localaws.errors import ServiceError
from localaws.http.answers import Answer, aws_json, error_answer
from localaws.http.server import Application, Environ
from localaws.http.signatures import Authenticator
from localaws.quotas import RateLimiter
from localaws.s3.checksums import with_type
from localaws.transcribe.api import TranscribeApi, decode

#: Where anybody may ask whether the emulator is up.
HEALTH = "/_localaws/health"
_SCOPE = re.compile(r"Credential=[^/]*/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_TARGET = "Transcribe."


@dataclass(frozen=True, slots=True)
class Call:
    """What a request is for; the operation is known of services that name it in a header."""

    service: str
    operation: str
    region: str


def identify(environ: Environ) -> Call:
    """The call of a WSGI request; S3 if nothing says otherwise."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    region = scope["region"] if scope else "us-east-1"
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target.startswith(_TARGET):
        return Call("transcribe", target.removeprefix(_TARGET), region)
    return Call(scope["service"] if scope else "s3", target.rpartition(".")[2], region)


@dataclass(frozen=True, slots=True)
class Router:
    """Applies authentication and quotas, then routes the request to its service."""

    api: TranscribeApi
    limiter: RateLimiter
    other: Application
    authenticator: Authenticator | None = None

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == HEALTH:
            healthy = Answer(200, "application/json", b'{"status": "ok"}')
            return healthy(environ, start_response)
        call = identify(environ)
        try:
            if self.authenticator is not None:
                self.authenticator.check(environ, call.service)
            if call.service == "transcribe":
                return self._transcribe(call, environ)(environ, start_response)
        except ServiceError as error:
            return error_answer(error, call.service)(environ, start_response)
        if call.operation == "ListServiceQuotas":
            return aws_json(self.limiter.quotas.listed())(environ, start_response)
        if environ["REQUEST_METHOD"] == "HEAD":
            start_response = with_type(start_response)
        return self.other(environ, start_response)

    def _transcribe(self, call: Call, environ: Environ) -> Answer:
        params = decode(environ["wsgi.input"].read())
        if not self.limiter.acquire(call.operation):
            # The model of Transcribe does not list it.
            raise ServiceError("ThrottlingException", "Rate exceeded")
        base_url = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
        return aws_json(self.api.call(call.operation, params, call.region, base_url))
