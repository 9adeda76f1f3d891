"""Answers as each AWS protocol writes them, and the errors that faults turn into."""

import json
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from localaws.errors import ServiceError

_THROTTLED = "Rate exceeded"

#: What each kind of fault answers: to Transcribe (AWS JSON), and to S3 and the other XML services.
_JSON_ERRORS = {
    "throttle": ("ThrottlingException", _THROTTLED, 400),
    "limit": (
        "LimitExceededException",
        "You have sent too many requests, or too many jobs are running: wait and try again.",
        400,
    ),
    "error500": ("InternalFailureException", "Internal failure, as localaws was told.", 500),
    "expired_token": ("ExpiredTokenException", "The request's security token has expired.", 400),
    "access_denied": ("AccessDeniedException", "This identity may not do that.", 400),
    "lost_bucket": ("BadRequestException", "The specified S3 bucket can't be accessed.", 400),
}
_XML_ERRORS = {
    "throttle": ("SlowDown", "Reduce your request rate.", 503),
    "limit": ("SlowDown", "Reduce your request rate.", 503),
    "error500": ("InternalError", "Internal error, as localaws was told.", 500),
    "expired_token": ("ExpiredToken", "The request's security token has expired.", 400),
    "access_denied": ("AccessDenied", "Access Denied", 403),
    "lost_bucket": ("NoSuchBucket", "The specified bucket does not exist", 404),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; a WSGI application of its own."""

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
    """What the service answers above a call rate; its model does not list it."""
    return ServiceError("ThrottlingException", _THROTTLED)


def fault_answer(kind: str, service: str) -> Answer:
    """The answer to a call that a fault of this kind strikes."""
    kind = kind.removesuffix("_after")
    if service in {"transcribe", "servicequotas"}:
        return json_error(ServiceError(*_JSON_ERRORS[kind]))
    code, message, status = _XML_ERRORS[kind]
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if service != "s3":
        error = f"<ErrorResponse>{error}</ErrorResponse>"
    return Answer(status, "application/xml", f'<?xml version="1.0"?>{error}'.encode())
