"""HTTP answers in each AWS protocol, and the errors of injected faults."""

import json
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from localaws.errors import ServiceError

_THROTTLED = "Rate exceeded"
_JSON_SERVICES = frozenset({"transcribe", "servicequotas"})

#: The answer of each fault: in AWS JSON (Transcribe), and in XML (S3 and others).
_JSON_ERRORS = {
    "throttle": ("ThrottlingException", _THROTTLED, 400),
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


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer, which is a WSGI application."""

    status: int
    content_type: str
    body: bytes

    def __call__(self, _environ: dict[str, Any], start_response: Any) -> list[bytes]:
        headers = [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body))),
            ("x-amzn-RequestId", str(uuid.uuid4())),
        ]
        start_response(f"{self.status} {HTTPStatus(self.status).phrase}", headers)
        return [self.body]


def aws_json(value: Any, status: int = 200) -> Answer:
    """An answer of AWS JSON 1.1; times are seconds since the epoch."""
    return Answer(status, "application/x-amz-json-1.1", json.dumps(value).encode())


def plain_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, "application/json", json.dumps(value, indent=1).encode())


def json_error(error: ServiceError) -> Answer:
    return aws_json({"__type": error.code, "Message": error.message}, error.status)


def throttled() -> ServiceError:
    """Transcribe's answer above a call rate, which its model does not list."""
    return ServiceError("ThrottlingException", _THROTTLED)


def fault_answer(kind: str, service: str) -> Answer:
    """The answer to a call that this kind of fault fails."""
    kind = kind.removesuffix("_after")
    errors = _JSON_ERRORS if service in _JSON_SERVICES else _XML_ERRORS
    return error_answer(ServiceError(*errors[kind]), service)


def error_answer(error: ServiceError, service: str) -> Answer:
    """An error answer in the protocol of a service."""
    if service in _JSON_SERVICES:
        return json_error(error)
    text = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    if service != "s3":
        text = f"<ErrorResponse>{text}</ErrorResponse>"
    return Answer(error.status, "application/xml", f'<?xml version="1.0"?>{text}'.encode())
