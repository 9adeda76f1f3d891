"""Authentication: requests must be signed with the key pair of the emulator's environment.

AWS Signature Version 4, in headers or as a presigned link, as the User Guide of IAM describes it
("Create a signed AWS API request"). `/_localaws/` wants the same pair by HTTP Basic.
"""

import base64
import binascii
import hmac
import io
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit

from localaws.errors import ServiceError, UsageError

Environ = dict[str, Any]

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=(?P<credential>[^,\s]+),\s*"
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

_S3, _JSON, _XML = "s3", "json", "xml"
_MISMATCH = "The request signature we calculated does not match the signature you provided."
#: Code, sentence and status by what is wrong and by protocol.
_REFUSALS = {
    ("unsigned", _S3): ("AccessDenied", "Access Denied", 403),
    ("unsigned", _JSON): (
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
        400,
    ),
    ("unsigned", _XML): (
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
        403,
    ),
    ("key", _S3): (
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        403,
    ),
    ("key", _JSON): (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        400,
    ),
    ("key", _XML): (
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        403,
    ),
    ("time", _S3): (
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        403,
    ),
    ("time", _JSON): ("InvalidSignatureException", "Signature expired.", 400),
    ("time", _XML): ("SignatureDoesNotMatch", "Signature expired.", 403),
    ("signature", _S3): ("SignatureDoesNotMatch", _MISMATCH, 403),
    ("signature", _JSON): ("InvalidSignatureException", _MISMATCH, 400),
    ("signature", _XML): ("SignatureDoesNotMatch", _MISMATCH, 403),
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

    def check(self, environ: Environ, service: str) -> None:
        """Check a request to AWS. Raises ServiceError in the words of the service."""
        if wrong := self._wrong(environ, service):
            raise _refusal(wrong, service)

    def is_admin(self, environ: Environ) -> bool:
        """Whether a request to `/_localaws/` has the key pair by HTTP Basic."""
        kind, _, text = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        try:
            pair = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return False
        expected = f"{self._credentials.access_key_id}:{self._credentials.secret_access_key}"
        return kind.lower() == "basic" and hmac.compare_digest(pair, expected.encode())

    def presign(self, url: str) -> str:
        """An address with which anybody can read an object for a quarter of an hour."""
        parts = urlsplit(url)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
        query = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self._credentials.access_key_id}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(_PRESIGNED_SECONDS),
            "X-Amz-SignedHeaders": "host",
        }
        canonical = _canonical(
            "GET", _encoded(parts.path), query, {"host": parts.netloc}, "UNSIGNED-PAYLOAD"
        )
        signature = self._signature(canonical, stamp, scope)
        return f"{url}?{urlencode({**query, 'X-Amz-Signature': signature})}"

    def _wrong(self, environ: Environ, service: str) -> str:
        """What is wrong with a request: '', `unsigned`, `key`, `time` or `signature`."""
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        header = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        if header:
            credential, names = header["credential"], header["headers"]
            signature = header["signature"]
            stamp, seconds = environ.get("HTTP_X_AMZ_DATE", ""), float(_SKEW)
            payload = _payload(environ, service)
        elif query.get("X-Amz-Algorithm") == _ALGORITHM:
            signature = query.pop("X-Amz-Signature", "")
            credential = query.get("X-Amz-Credential", "")
            names = query.get("X-Amz-SignedHeaders", "")
            stamp, seconds = query.get("X-Amz-Date", ""), _number(query.get("X-Amz-Expires", ""))
            payload = "UNSIGNED-PAYLOAD"
        else:
            return "unsigned"
        scope = _CREDENTIAL.fullmatch(credential)
        if scope is None or not _same(scope["id"], self._credentials.access_key_id):
            return "key"
        age = _age(stamp)
        if not -_SKEW <= age <= seconds:
            return "time"
        canonical = _canonical(
            environ["REQUEST_METHOD"],
            _path(environ, service),
            query,
            {name: _header(environ, name) for name in names.split(";")},
            payload,
        )
        expected = self._signature(canonical, stamp, credential.partition("/")[2])
        return "" if _same(expected, signature) else "signature"

    def _signature(self, canonical: str, stamp: str, scope: str) -> str:
        key = _signing_key(self._credentials.secret_access_key, scope)
        digest = sha256(canonical.encode("latin-1", "replace")).hexdigest()
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
        return hmac.new(key, text.encode(), sha256).hexdigest()


@lru_cache(maxsize=64)
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _canonical(
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], payload: str
) -> str:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items()
    )
    return "\n".join(
        [
            method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(value.split())}" for name, value in headers.items()),
            "",
            ";".join(headers),
            payload,
        ]
    )


def _path(environ: Environ, service: str) -> str:
    """The path in the signature: encoded once for S3, twice for others."""
    once = _encoded(environ["REQUEST_URI"].partition("?")[0])
    return once if service == _S3 else quote(once, safe="/~")


def _encoded(path: str) -> str:
    return quote(unquote_to_bytes(path), safe="/~")


def _payload(environ: Environ, service: str) -> str:
    """The hash of the signed body; of S3's bodies, which may be large, the client's own."""
    if service == _S3 and "HTTP_X_AMZ_CONTENT_SHA256" in environ:
        return str(environ["HTTP_X_AMZ_CONTENT_SHA256"])
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return sha256(body).hexdigest()


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
    kind = _S3 if service == "s3" else _XML if service == "sts" else _JSON
    return ServiceError(*_REFUSALS[wrong, kind])
