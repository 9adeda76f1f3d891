"""The address of an object in S3, and the other ways in which users and AWS write it."""

import re
from typing import Self
from urllib.parse import unquote, unquote_plus, urlsplit

#: Bucket and key. Source: S3's rules for the names of buckets, and its longest key.
_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})", re.DOTALL)
#: The hosts of S3: of a region or of none, dual-stack, FIPS, accelerated, in China. The bucket is
#: before them (virtual-hosted style), or first in the path.
_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:-fips|-accelerate)?(?:\.dualstack)?"
    r"(?:[.-][a-z]{2}(?:-[a-z]+)+-[0-9]+)?\.amazonaws\.com(?:\.cn)?"
)
_FORM = "a URI must have the form s3://bucket/key, or be the https:// address of an object of S3"


class S3Uri(str):
    """`s3://bucket/key`, of an object or of a folder; neither bucket nor key is empty.

    Calls of S3 take nothing else: with an empty key, some that are meant for an object would be
    calls for its bucket.
    """

    __slots__ = ()

    def __new__(cls, uri: str) -> Self:
        """Check a URI.

        Raises:
            ValueError: if it has another form.
        """
        if not _URI.fullmatch(uri):
            raise ValueError(_FORM)
        return super().__new__(cls, uri)

    @classmethod
    def parse(cls, address: str) -> Self:
        """The URI that a user means: it, or an https:// address of S3.

        Raises:
            ValueError: with what is wrong with the address.
        """
        return cls(address if address.startswith("s3://") else _from_https(address))

    @classmethod
    def in_bucket(cls, url: str, bucket: str) -> Self | None:
        """The URI of an object of `bucket` by its URL at any endpoint; None if it is elsewhere."""
        parts = urlsplit(url)
        path = unquote(parts.path.lstrip("/"))
        if (parts.hostname or "").startswith(f"{bucket}.s3"):
            path = f"{bucket}/{path}"
        uri = url if parts.scheme == "s3" else f"s3://{path}"
        return cls(uri) if uri.startswith(f"s3://{bucket}/") and _URI.fullmatch(uri) else None

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return self[len("s3://") :].partition("/")[0]

    @property
    def key(self) -> str:
        """The key in the bucket."""
        return self[len("s3://") :].partition("/")[2]


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
