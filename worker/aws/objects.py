"""What S3 says of an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from producer.contract.s3_uri import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

#: The names of the metadata of what we upload: the job that it is for, and its request.
OWNER = "transcribe-queue-job"
REQUEST = "transcribe-queue-request"


@dataclass(frozen=True)
class StoredObject:
    """What S3 says of an object."""

    size: int
    etag: str
    #: when it was put there, by S3's clock, to the second
    modified_at: datetime
    #: the job that put it there, if it was one of ours
    owner: str | None
    #: the owner's request, as `stored_request` encodes it, if it was stored with the object
    stored_request: str | None = None


@dataclass(frozen=True)
class ListedObject:
    """An object, as ListObjectsV2 shows it."""

    uri: S3Uri
    #: when it was put there, by S3's clock, to the second
    modified_at: datetime


@dataclass(frozen=True)
class OpenObject:
    """An object before its content is read."""

    size: int
    #: when it was put there, by S3's clock, to the second
    modified_at: datetime
    #: its next bytes, so many or by default all; raises what boto3 raises, which `Storage.open`
    #: classifies
    read: Callable[..., bytes]
    #: the same in pieces, so that memory stays flat
    pieces: Callable[[], Iterator[bytes]]


def stored_object(
    answer: HeadObjectOutputTypeDef | GetObjectOutputTypeDef, size: int
) -> StoredObject:
    """What an answer of S3 says of an object of `size` bytes."""
    return StoredObject(
        size,
        answer["ETag"].strip('"'),
        answer["LastModified"],
        answer["Metadata"].get(OWNER),
        answer["Metadata"].get(REQUEST),
    )
