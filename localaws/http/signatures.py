"""Authentication: requests must be signed with the key pair of the emulator's environment.

AWS Signature Version 4, in headers or as a presigned link; botocore, which signs for boto3,
computes the signature to expect.
"""

import hmac
import io
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from botocore import credentials as botocore_credentials
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest

from localaws.errors import ServiceError, UsageError

Environ = dict[str, Any]

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>[^,\s]+),\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_CREDENTIAL = re.compile(
    r"(?P<id>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)
#: Seconds by which a client's clock may be wrong.
_SKEW = 900
#: Seconds for which a presigned address of the service bucket is valid.
_PRESIGNED_SECONDS = 900
_UNPREFIXED = {"content-type", "content-length"}

#: What is wrong: the codes of S3, of AWS JSON and of services with XML, and a sentence.
_REFUSALS = {
    "unsigned": (
        ("AccessDenied", "MissingAuthenticationTokenException", "MissingAuthenticationToken"),
        "Request is missing Authentication Token",
    ),
    "key": (
        ("InvalidAccessKeyId", "UnrecognizedClientException", "InvalidClientTokenId"),
        "The security token included in the request is invalid.",
    ),
    "time": (
        ("RequestTimeTooSkewed", "InvalidSignatureException", "SignatureDoesNotMatch"),
        "Signature expired.",
    ),
    "signature": (
        ("SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch"),
        "The request signature we calculated does not match the signature you provided.",
    ),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key pair that may call."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Credentials | None":
        """LOCALAWS_ACCESS_KEY_ID and LOCALAWS_SECRET_ACCESS_KEY; None if neither is set.

        Raises UsageError if one is set without the other.
        """
        key_id = environment.get("LOCALAWS_ACCESS_KEY_ID", "")
        secret = environment.get("LOCALAWS_SECRET_ACCESS_KEY", "")
        if bool(key_id) != bool(secret):
            raise UsageError(
                "Set both of LOCALAWS_ACCESS_KEY_ID and LOCALAWS_SECRET_ACCESS_KEY, or neither."
            )
        return cls(key_id, secret) if key_id else None


class Authenticator:
    """Refuses requests that the key pair has not signed."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._keys = botocore_credentials.Credentials(
            credentials.access_key_id, credentials.secret_access_key
        )

    def check(self, environ: Environ, service: str) -> None:
        """Check a request to AWS. Raises ServiceError in the words of the service."""
        if wrong := self._wrong(environ, service):
            raise _refusal(wrong, service)

    def presign(self, url: str) -> str:
        """An address with which anybody can read an object for a quarter of an hour."""
        request = AWSRequest("GET", url)
        S3SigV4QueryAuth(self._keys, "s3", "us-east-1", _PRESIGNED_SECONDS).add_auth(request)
        return str(request.url)

    def _wrong(self, environ: Environ, service: str) -> str:
        """What is wrong with a request: '', `unsigned`, `key`, `time` or `signature`."""
        text: str = environ.get("QUERY_STRING", "")
        query = dict(parse_qsl(text, keep_blank_values=True))
        header = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        make_signer: type[SigV4Auth] = S3SigV4Auth if service == "s3" else SigV4Auth
        if header:
            credential, names, signature = header.groups()
            stamp, seconds = environ.get("HTTP_X_AMZ_DATE", ""), float(_SKEW)
        elif "X-Amz-Signature" in query:
            make_signer = S3SigV4QueryAuth
            credential, names = (
                query.get(f"X-Amz-{n}", "") for n in ("Credential", "SignedHeaders")
            )
            stamp, seconds = query.get("X-Amz-Date", ""), _number(query.get("X-Amz-Expires", ""))
            signature = query["X-Amz-Signature"]
            # It is the one parameter that is not signed.
            text = "&".join(each for each in text.split("&") if "X-Amz-Signature=" not in each)
        else:
            return "unsigned"
        scope = _CREDENTIAL.fullmatch(credential)
        if scope is None or not _same(scope["id"], self._credentials.access_key_id):
            return "key"
        if not -_SKEW <= _age(stamp) <= seconds or not stamp.startswith(scope["date"]):
            return "time"
        path = environ["REQUEST_URI"].partition("?")[0]
        request = AWSRequest(
            environ["REQUEST_METHOD"],
            f"http://{environ['HTTP_HOST']}{path}?{text}",
            headers={name: _header(environ, name) for name in names.split(";")},
            # S3's bodies may be large: the client's own hash is a signed header.
            data=b"" if service == "s3" else _body(environ),
        )
        request.context["timestamp"] = stamp
        signer = make_signer(self._keys, scope["service"], scope["region"])
        canonical = signer.canonical_request(request)
        expected = signer.signature(signer.string_to_sign(request, canonical), request)
        return "" if _same(expected, signature) else "signature"


def _body(environ: Environ) -> bytes:
    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _header(environ: Environ, name: str) -> str:
    variable = name.upper().replace("-", "_")
    return str(environ.get(variable if name in _UNPREFIXED else f"HTTP_{variable}", ""))


def _age(stamp: str) -> float:
    """Seconds since a moment in ISO's basic form; infinity if it is malformed."""
    try:
        moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return float("inf")
    return time.time() - moment.timestamp()


def _number(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _refusal(wrong: str, service: str) -> ServiceError:
    kind = 0 if service == "s3" else 2 if service == "sts" else 1
    codes, sentence = _REFUSALS[wrong]
    return ServiceError(codes[kind], sentence, 400 if kind == 1 else 403)
