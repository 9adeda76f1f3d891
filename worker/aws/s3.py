"""S3: put, compare, read, delete. Knows boto3 and our errors, nothing of jobs or Redis."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from io import BufferedReader
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from worker.aws.etag import content_etag
from worker.aws.objects import NOTE, OWNER, OpenObject, StoredObject, parse_uri, stored_object
from worker.aws.payload import Progress
from worker.aws.session import error_code, errors_sorted
from worker.aws.transfer import Begun, Sender
from worker.errors import Permanent, StageError, Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
#: Expired or wrong credentials among other things; a HEAD has no body to tell them apart.
_WORDLESS = frozenset({"400", "403"})
_CHUNK = 1024 * 1024


def _object(uri: str) -> tuple[str, str]:
    # boto3, which we have told not to look, would take a bucket for it, and delete that.
    bucket, key = parse_uri(uri)
    if not key:
        raise Permanent("BadAddress", f"{uri!r} names no object.")
    return bucket, key


class Storage:
    """Objects in S3."""

    def __init__(self, client: S3Client) -> None:
        """Use `client`, which may be shared between threads."""
        self._client = client
        self._sender = Sender(client)

    @property
    def has_conditional_put(self) -> bool:
        """Whether `put` is known to leave alone what is there, if so asked."""
        return bool(self._sender.has_conditional_put)

    def find(self, uri: str) -> StoredObject | None:
        """Look at an object; None if it is not there.

        Raises:
            Transient, Permanent: as AWS's error is sorted.
        """
        bucket, key = _object(uri)
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
        return stored_object(head, head["ContentLength"])

    def peek(self, uri: str, most: int) -> tuple[StoredObject | None, bytes]:
        """Look at an object, and read up to `most` bytes of its beginning in the same call.

        Returns what it is, None if it is not there; and its beginning, empty if it is that or has
        not come as it was sent.

        Raises:
            Transient, Permanent: as AWS's error is sorted.
        """
        bucket, key = _object(uri)
        with errors_sorted("GetObject"):
            try:
                answer = self._client.get_object(
                    Bucket=bucket, Key=key, Range=f"bytes=0-{most - 1}"
                )
            except ClientError as error:
                if error_code(error) in _MISSING:
                    return None, b""
                if error_code(error) != "InvalidRange":
                    raise
                # An empty object has no first byte.
                return self.find(uri), b""
            sent = answer["ContentLength"]
            of = answer.get("ContentRange", "").rpartition("/")[2]
            size = int(of) if of.isdigit() else sent
            content = b""
            # The object is there, whatever comes of reading it. With a Range, some endpoints send a
            # checksum that is not that of what they send.
            with closing(answer["Body"]) as body, suppress(BotoCoreError):
                # A connection is of further use only if its answer was read.
                content = body.read() if sent <= most else b""
        whole = len(content) == min(size, most)
        return stored_object(answer, size), content if whole else b""

    def put(
        self,
        file: BufferedReader,
        uri: str,
        owner: str,
        progress: Progress,
        note: str = "",
        *,
        begun: Begun = str,
        only_new: bool = False,
    ) -> bool:
        """Send a file to S3, in parts if it is large; it is read once, and memory stays flat.

        Args:
            file: read from its beginning.
            uri: where to put it.
            owner: the job that it is put for, noted on the object.
            progress: called with each number of bytes sent; what it raises ends the upload, and
                S3 keeps nothing of it.
            note: a further word to leave on the object: ASCII, with the owner below S3's 2 KB.
            begun: called with the id of an upload in parts as it begins; as for `progress`.
            only_new: leave alone what is there already. Where an endpoint knows no conditional
                writes it is overwritten all the same, so look first if that may not be.

        Returns whether it was put; False if something was there.

        Raises:
            Transient: also if the bucket is gone, or the file changes meanwhile.
            Permanent: as AWS's error is sorted; or what `progress` raised.
        """
        bucket, key = _object(uri)
        marks = {OWNER: owner, NOTE: note} if note else {OWNER: owner}
        to = {"Bucket": bucket, "Key": key, "Metadata": marks}
        try:
            with _bucket_awaited(), errors_sorted("PutObject"):
                return self._sender.send(file, to, progress, begun, only_new=only_new)
        except StageError as error:
            # botocore takes what `progress` raises for a fault of the connection.
            progress(0)
            if error.code == "NoSuchUpload":
                # Its last call was carried out and the answer lost, or somebody aborted it.
                raise Transient(error.code, "The upload in parts has ended already.") from error
            if error.code == "ConditionalRequestConflict":
                raise Transient(error.code, "Somebody else puts something there now.") from error
            raise

    def abort_uploads(
        self, uri: str, *, beneath: bool = False, only: Collection[str] | None = None
    ) -> int:
        """Abort uploads in parts that were never ended, which S3 keeps, and bills, for ever.

        Args:
            uri: the object that was to come of them.
            beneath: it is a folder, and all that was to lie in it is meant.
            only: S3's ids of those that are meant; None for all.

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
                if beneath or upload["Key"] == key
                if only is None or upload["UploadId"] in only
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

    def has_content(self, stored: StoredObject, uri: str, file: BufferedReader, size: int) -> bool:
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

    @contextmanager
    def opened(self, uri: str) -> Iterator[OpenObject]:
        """An object whose size is known before its content is read, for the time of a `with`.

        Raises:
            Transient: also if the object or its bucket is not there, for it may be about to be.
            Permanent: as AWS's error is sorted.
        """
        bucket, key = _object(uri)
        with _bucket_awaited(), errors_sorted("GetObject"):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    raise Transient("ResultMissing", f"There is no object {uri}.") from error
                raise
            with closing(answer["Body"]) as body:
                yield OpenObject(
                    answer["ContentLength"],
                    answer["LastModified"],
                    body.read,
                    lambda: body.iter_chunks(_CHUNK),
                )

    def read(self, uri: str) -> bytes:
        """The whole content of an object.

        Raises:
            Transient: also if the object or its bucket is not there, for it may be about to be.
            Permanent: as AWS's error is sorted.
        """
        with self.opened(uri) as found:
            return found.read()

    def delete(self, uri: str) -> None:
        """Delete an object; one that is not there is fine.

        Raises:
            Transient, Permanent: as AWS's error is sorted.
        """
        bucket, key = _object(uri)
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
        bucket, key = _object(uri)
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
