"""HTTP answers in each AWS protocol."""

import json
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from localaws.errors import ServiceError

#: The services that answer in AWS JSON; the others answer in XML.
JSON_SERVICES = frozenset({"transcribe", "servicequotas"})


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


def error_answer(error: ServiceError, service: str) -> Answer:
    """An error answer in the protocol of a service."""
    if service in JSON_SERVICES:
        return aws_json({"__type": error.code, "Message": error.message}, error.status)
    text = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    if service != "s3":
        text = f"<ErrorResponse>{text}</ErrorResponse>"
    return Answer(error.status, "application/xml", f'<?xml version="1.0"?>{text}'.encode())
