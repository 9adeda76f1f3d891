"""The services beside Transcribe: S3 in memory, and of STS the question who one is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.emulator.s3 import MemoryS3
from benchmarks.emulator.store import MemoryStore
from localaws.errors import ServiceError
from localaws.http.answers import Answer, error_answer
from localaws.http.routing import identify
from localaws.http.server import Application, Environ
from localaws.s3.objects import ACCOUNT_ID, ObjectStore
from tests.emulator.operations import form_action

_IDENTITY = f"""\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\
<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT_ID}:user/localaws</Arn>\
<UserId>AKIALOCALAWSMEMORY00</UserId><Account>{ACCOUNT_ID}</Account></GetCallerIdentityResult>\
<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>\
</GetCallerIdentityResponse>"""


def in_memory() -> tuple[ObjectStore, Application]:
    """A Backend of tests.emulator.server."""
    store = MemoryStore()
    return store, _Services(MemoryS3(store))


class _Services:
    """A WSGI application that sends requests to their service."""

    def __init__(self, s3: Application) -> None:
        self._s3 = s3

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        service = identify(environ).service
        if service == "s3":
            return self._s3(environ, start_response)
        answer = Answer(200, "text/xml", _IDENTITY.encode())
        if form_action(environ["wsgi.input"].read()) != "GetCallerIdentity":
            error = ServiceError("NotImplemented", f"This emulator has no {service}.", 501)
            answer = error_answer(error, service)
        return answer(environ, start_response)
