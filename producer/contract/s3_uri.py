"""The address of an object in S3, and the other ways in which users and AWS write it."""

import re
from typing import Self
from urllib.parse import unquote_plus, urlsplit

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
        uri, is_of_s3 = _read(address)
        if not is_of_s3:
            raise ValueError(_FORM)
        if "?" in address and uri != address:
            raise ValueError(
                "an https:// address of S3 is taken without a query, for a presigned one expires: "
                "give s3://bucket/key"
            )
        return cls(uri)

    @classmethod
    def answered(cls, address: str) -> Self | None:
        """The URI that AWS, or another endpoint, means in an answer; None if it is of no object.

        There the host may be the endpoint's own, and the address presigned.
        """
        try:
            return cls(_read(address)[0])
        except ValueError:
            return None

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


def _read(address: str) -> tuple[str, bool]:
    """An address as s3://bucket/key, and whether it is one of Amazon S3 itself."""
    if address.startswith("s3://"):
        return address, True
    try:
        parts = urlsplit(address)
        # S3 reads a plus in a path as a space, and its console writes it so.
        path = unquote_plus(parts.path.removeprefix("/"), errors="strict")
    except ValueError:
        raise ValueError(_FORM) from None
    host = _HOST.fullmatch(parts.netloc.lower().removesuffix(":443"))
    bucket = f"{host['bucket']}/" if host is not None and host["bucket"] else ""
    is_of_s3 = parts.scheme == "https" and host is not None and "#" not in address
    return f"s3://{bucket}{path}", is_of_s3
