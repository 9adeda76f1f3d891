"""Media URIs in the forms that the service accepts: s3:// and https:// of S3."""

import re
from urllib.parse import unquote_plus, urlsplit

#: `s3.amazonaws.com`, with a region before or after a dot, dual-stack, of China; the bucket is
#: before it (virtual-hosted style), or first in the path.
_S3_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:-fips|-accelerate)?(?:\.dualstack)?"
    r"(?:[.-][a-z]{2}(?:-[a-z]+)+-\d+)?\.amazonaws\.com(?:\.cn)?"
)


def split(uri: str) -> tuple[str, str] | None:
    """Bucket and key, empty where missing; None if the URI is not one of S3."""
    if uri.startswith("s3://"):
        # Only the first two slashes mean anything: `?` and `#` are legal in a key.
        return _bucket_and_key(uri.removeprefix("s3://"))
    try:
        parts = urlsplit(uri)
        host = _S3_HOST.fullmatch(parts.hostname or "")
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or host is None:
        return None
    # S3 reads a plus in a path as a space, and its console writes it so.
    path = unquote_plus(parts.path.removeprefix("/"))
    return (host["bucket"], path) if host["bucket"] else _bucket_and_key(path)


def _bucket_and_key(path: str) -> tuple[str, str]:
    bucket, _, key = path.partition("/")
    return bucket, key
