"""What S3 says of an object."""

from __future__ import annotations

from base64 import b64decode
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
    #: its version, where the bucket keeps versions
    version: str | None = None
    #: the SHA-256 of its whole content, in hex, if S3 has one and was asked for it
    sha256: str | None = None
    #: its bucket keeps versions, so that what overwrites it can go without a trace
    is_versioned: bool = False


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
        None if answer.get("VersionId") in {None, "null"} else answer["VersionId"],
        _sha256(answer),
        "VersionId" in answer,
    )


def _sha256(answer: HeadObjectOutputTypeDef | GetObjectOutputTypeDef) -> str | None:
    # A composite one is of the parts' checksums, and so depends on how the object was uploaded.
    if answer.get("ChecksumType") != "FULL_OBJECT":
        return None
    try:
        digest = b64decode(answer.get("ChecksumSHA256", ""), validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None
