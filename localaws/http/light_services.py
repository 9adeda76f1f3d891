"""What `--light` has beside Transcribe: S3, and of STS the question who one is."""

from collections.abc import Iterable
from typing import Any

from localaws.http.answers import Answer
from localaws.http.routing import Application
from localaws.operations import form_action, identify
from localaws.s3.objects import ACCOUNT_ID

_IDENTITY = f"""\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\
<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT_ID}:user/localaws</Arn>\
<UserId>AKIALOCALAWSLIGHT000</UserId><Account>{ACCOUNT_ID}</Account></GetCallerIdentityResult>\
<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>\
</GetCallerIdentityResponse>"""
_UNKNOWN = (
    "<ErrorResponse><Error><Code>NotImplemented</Code><Message>localaws --light has no such "
    "service: run it without --light.</Message></Error></ErrorResponse>"
)


class LightServices:
    """A WSGI application for all services but Transcribe."""

    def __init__(self, s3: Application) -> None:
        self._s3 = s3

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if identify(environ).service == "s3":
            return self._s3(environ, start_response)
        if form_action(environ["wsgi.input"].read()) == "GetCallerIdentity":
            return Answer(200, "text/xml", _IDENTITY.encode())(environ, start_response)
        return Answer(501, "text/xml", _UNKNOWN.encode())(environ, start_response)
