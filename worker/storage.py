"""S3: put, compare, read, delete. Knows boto3 and our errors, nothing of jobs or Redis."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader
from typing import TYPE_CHECKING, Any, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from worker.aws import error_code, errors_sorted
from worker.errors import Permanent, StageError, Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: 10,000 parts are the most S3 takes, so parts of this size reach far beyond 2 GB.
PART_BYTES = 8 * 1024 * 1024
_OWNER = "transcribe-queue-job"
_NOTE = "transcribe-queue-request"
_TRANSFER = TransferConfig(
    multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4
)
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
#: Expired or wrong credentials among other things; a HEAD has no body to tell them apart.
_WORDLESS = frozenset({"400", "403"})
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class StoredObject:
    """What S3 says of an object."""

    size: int
    etag: str
    #: when it was put there, by S3's clock, to the second
    modified_at: datetime
    #: the job that put it there, if it was one of ours
    owner: str | None
    #: what was noted on it beside its owner
    note: str | None = None


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class Storage:
    """Objects in S3."""

    def __init__(self, client: S3Client) -> None:
        """Use `client`, which may be shared between threads."""
        self._client = client

    def find(self, uri: str) -> StoredObject | None:
        """Look at an object; None if it is not there.

        Raises:
            Transient, Permanent: as AWS's error is sorted.
        """
        bucket, key = parse_uri(uri)
        with errors_sorted("HeadObject"):
            try:
                head = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None
                if error_code(error) in _WORDLESS:
                    # S3 answers HeadObject without words, GetObject with them.
                    self._client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
                raise
        return StoredObject(
            head["ContentLength"],
            head["ETag"].strip('"'),
            head["LastModified"],
            head["Metadata"].get(_OWNER),
            head["Metadata"].get(_NOTE),
        )

    def put(
        self,
        file: BufferedReader,
        uri: str,
        owner: str,
        progress: Callable[[int], None],
        note: str = "",
    ) -> None:
        """Stream a file to S3, in parts if it is large; memory stays flat.

        Args:
            file: read from its beginning.
            uri: where to put it.
            owner: the job that it is put for, noted on the object.
            progress: called with each number of bytes sent; what it raises ends the upload, and
                S3 keeps nothing of it.
            note: a further word to leave on the object: ASCII, with the owner below S3's 2 KB.

        Raises:
            Transient: also if the bucket is gone.
            Permanent: as AWS's error is sorted; or what `progress` raised.
        """
        bucket, key = parse_uri(uri)
        file.seek(0)
        marks = {_OWNER: owner, _NOTE: note} if note else {_OWNER: owner}
        try:
            with _bucket_awaited(), errors_sorted("PutObject"):
                self._client.upload_fileobj(
                    cast(Any, _KeepOpen(file)),
                    bucket,
                    key,
                    ExtraArgs={"Metadata": marks},
                    Callback=progress,
                    Config=_TRANSFER,
                )
        except StageError as error:
            # botocore takes what `progress` raises for a fault of the connection.
            progress(0)
            if error.code == "NoSuchUpload":
                # Its last call was carried out and the answer lost, or somebody aborted it.
                raise Transient(error.code, "The upload in parts has ended already.") from error
            raise

    def abort_uploads(self, uri: str) -> int:
        """Abort uploads in parts that were never ended, which S3 keeps, and bills, for ever.

        Args:
            uri: an object, or with a `/` at the end everything beneath it.

        Returns how many there were.

        Raises:
            Transient, Permanent: as AWS's error is sorted.
        """
        bucket, key = parse_uri(uri)
        with errors_sorted("ListMultipartUploads"):
            pages = self._client.get_paginator("list_multipart_uploads")
            uploads = [
                (upload["Key"], upload["UploadId"])
                for page in pages.paginate(Bucket=bucket, Prefix=key)
                for upload in page.get("Uploads", [])
                if upload["Key"] == key or key.endswith("/")
            ]
        for found, upload_id in uploads:
            with errors_sorted("AbortMultipartUpload"):
                try:
                    self._client.abort_multipart_upload(
                        Bucket=bucket, Key=found, UploadId=upload_id
                    )
                except ClientError as error:
                    if error_code(error) not in {*_MISSING, "NoSuchUpload"}:
                        raise
        return len(uploads)

    def holds(self, stored: StoredObject, uri: str, file: BufferedReader, size: int) -> bool:
        """Whether an object has exactly the bytes of a file.

        Decided by size, then by the ETag where it is a hash of the content, else by reading both.
        """
        if stored.size != size:
            return False
        if stored.etag == content_etag(file, multipart="-" in stored.etag):
            return True
        # A plain ETag is the MD5 of the content unless the bucket encrypts with KMS, and parts may
        # have had another size, so that only equal ETags prove something.
        return self._same_content(uri, file)

    def read(self, uri: str) -> bytes:
        """The whole content of an object.

        Raises:
            Transient: also if the object or its bucket is not there, for it may be about to be.
            Permanent: as AWS's error is sorted.
        """
        bucket, key = parse_uri(uri)
        with _bucket_awaited(), errors_sorted("GetObject"):
            try:
                return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if error_code(error) in _MISSING:
                    raise Transient("ResultMissing", f"There is no object {uri}.") from error
                raise

    def delete(self, uri: str) -> None:
        """Delete an object; one that is not there is fine.

        Raises:
            Transient, Permanent: as AWS's error is sorted.
        """
        bucket, key = parse_uri(uri)
        with errors_sorted("DeleteObject"):
            self._client.delete_object(Bucket=bucket, Key=key)

    def bucket_region(self, bucket: str) -> str:
        """Where a bucket is.

        Raises:
            Transient, Permanent: as AWS's error is sorted, so also that it is not to be had.
        """
        with errors_sorted("HeadBucket"):
            try:
                head = self._client.head_bucket(Bucket=bucket)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    raise Permanent(
                        "NoSuchBucket", f"The bucket {bucket} does not exist."
                    ) from error
                raise
        headers = head["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region", ""))

    def _same_content(self, uri: str, file: BufferedReader) -> bool:
        bucket, key = parse_uri(uri)
        file.seek(0)
        with (
            errors_sorted("GetObject"),
            closing(self._client.get_object(Bucket=bucket, Key=key)["Body"]) as body,
        ):
            return all(file.read(len(chunk)) == chunk for chunk in body.iter_chunks(_CHUNK))


@contextmanager
def _bucket_awaited() -> Iterator[None]:
    """Wait for a bucket that is gone: what it shall take or hold must not be given up with it."""
    try:
        yield
    except Permanent as error:
        if error.code != "NoSuchBucket":
            raise
        raise Transient(
            error.code,
            "The S3 bucket does not exist; the job waits until it is created, or "
            "TRANSCRIBE_BUCKET corrected.",
        ) from error


def content_etag(file: BufferedReader, *, multipart: bool) -> str:
    """The ETag that S3 gives a file's content, uploaded whole or in our parts.

    Source: the S3 user guide: MD5 of the content, or of the parts' MD5s with their number.
    """
    file.seek(0)
    if not multipart:
        return hashlib.file_digest(file, _md5).hexdigest()
    parts = []
    while part := file.read(PART_BYTES):
        parts.append(_md5(part).digest())
    return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def _md5(data: bytes = b"") -> hashlib._Hash:
    return hashlib.md5(data, usedforsecurity=False)


class _KeepOpen:
    """s3transfer closes what it was given; the file is the caller's to close."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Leave it open."""
