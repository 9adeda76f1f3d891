"""Where an object of S3 is: `s3://bucket/key`, or the https:// address that AWS has for it."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus, urlsplit

#: Bucket and key. Source: S3's rules for the names of buckets, and its longest key.
S3_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})", re.DOTALL)
#: The hosts of S3: of a region or of none, dual-stack, FIPS, accelerated, in China. The bucket is
#: before them (virtual-hosted style), or first in the path.
_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:-fips|-accelerate)?(?:\.dualstack)?"
    r"(?:[.-][a-z]{2}(?:-[a-z]+)+-[0-9]+)?\.amazonaws\.com(?:\.cn)?"
)
_FORM = "a URI must have the form s3://bucket/key, or be the https:// address of an object of S3"


def s3_uri(address: str) -> str:
    """An address of S3 as s3://bucket/key.

    Raises:
        ValueError: with what is wrong, if it is none.
    """
    uri = address if address.startswith("s3://") else _from_https(address)
    if not S3_URI.fullmatch(uri):
        raise ValueError(_FORM)
    return uri


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def without_signature(address: str) -> str:
    """An address as it may be kept and shown: without a query, which may hold a signature."""
    path, mark, _ = address.partition("?")
    return f"{path}?…" if mark and address.lower().startswith(("http:", "https:")) else address


def _from_https(address: str) -> str:
    try:
        parts = urlsplit(address)
        # S3 reads a plus in a path as a space, and its console writes it so.
        path = unquote_plus(parts.path.removeprefix("/"), errors="strict")
    except ValueError:
        raise ValueError(_FORM) from None
    host = parts.netloc.lower().removesuffix(":443")
    found = _HOST.fullmatch(host)
    if parts.scheme != "https" or found is None or "#" in address:
        raise ValueError(_FORM)
    if "?" in address:
        raise ValueError(
            "an https:// address of S3 is taken without a query, for a presigned one expires: "
            "give s3://bucket/key"
        )
    return f"s3://{found['bucket']}/{path}" if found["bucket"] else f"s3://{path}"
