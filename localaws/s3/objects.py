"""What Transcribe needs of S3, and the names that both share."""

import re
from typing import Protocol

from localaws.errors import UsageError

ACCOUNT_ID = "123456789012"
#: The bucket for transcripts of requests without OutputBucketName, as the real service has one.
SERVICE_BUCKET = "localaws-transcribe-service"

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class ObjectStore(Protocol):
    """Reads and writes objects in this process, not over HTTP."""

    def create_bucket(self, name: str) -> None:
        """Make sure that the bucket exists. Raises UsageError for a name that S3 does not allow."""

    def size(self, bucket: str, key: str) -> int | None:
        """The object's size in bytes; None where the bucket or object is missing."""

    def read(self, bucket: str, key: str) -> bytes | None:
        """The object's bytes; None where the bucket or object is missing."""

    def write(
        self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None
    ) -> None:
        """Put an object. Raises LookupError where the bucket is missing."""

    def clear(self) -> None:
        """Forget every bucket."""


def check_bucket_name(name: str) -> None:
    """Raises UsageError for a name that S3 does not allow."""
    if not _BUCKET_NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a bucket.")
