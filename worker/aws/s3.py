"""S3: put, compare, read, delete. Knows boto3 and our errors, nothing of jobs or Redis."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from io import BufferedReader
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from producer.contract.s3_address import parse_uri
from worker.aws.errors import NotFound, errors_classified
from worker.aws.etag import content_etag
from worker.aws.objects import NOTE, OWNER, OpenObject, StoredObject, stored_object
from worker.aws.payload import Progress
from worker.aws.transfer import Begun, Sender
from worker.errors import Permanent, StageError, Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Expired or wrong credentials among other things; a HEAD has no body to tell them apart.
_WITHOUT_WORDS = frozenset({"400", "403"})
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
            Transient, Permanent: as AWS's error is classified.
        """
        bucket, key = _object(uri)
        try:
            with errors_classified("HeadObject"):
                try:
                    head = self._client.head_object(Bucket=bucket, Key=key)
                except ClientError as error:
                    if error.response["Error"]["Code"] in _WITHOUT_WORDS:
                        # S3 answers HeadObject without words, GetObject with them.
                        self._client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
                    raise
        except NotFound:
            return None
        return stored_object(head, head["ContentLength"])

    def peek(self, uri: str, most: int) -> tuple[StoredObject | None, bytes]:
        """Look at an object, and read up to `most` bytes of its beginning in the same call.

        Returns what it is, None if it is not there; and its beginning, empty if it is that or has
        not come as it was sent.

        Raises:
            Transient, Permanent: as AWS's error is classified.
        """
        bucket, key = _object(uri)
        try:
            with errors_classified("GetObject"):
                answer = self._client.get_object(
                    Bucket=bucket, Key=key, Range=f"bytes=0-{most - 1}"
                )
        except NotFound:
            return None, b""
        except Permanent as error:
            if error.code != "InvalidRange":
                raise
            # An empty object has no first byte.
            return self.find(uri), b""
        sent = answer["ContentLength"]
        of = answer.get("ContentRange", "").rpartition("/")[2]
        size = int(of) if of.isdigit() else sent
        content = b""
        # The object is there, even if reading it fails. With a Range, some endpoints send a
        # checksum of other bytes than they send.
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
            Permanent: as AWS's error is classified; or what `progress` raised.
        """
        bucket, key = _object(uri)
        marks = {OWNER: owner, NOTE: note} if note else {OWNER: owner}
        to = {"Bucket": bucket, "Key": key, "Metadata": marks}
        try:
            return self._sender.send(file, to, progress, begun, only_new=only_new)
        except StageError:
            # botocore wraps what `progress` raises in an error of the connection.
            progress(0)
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
            Transient, Permanent: as AWS's error is classified.
        """
        bucket, key = parse_uri(uri)
        with errors_classified("ListMultipartUploads"):
            pages = self._client.get_paginator("list_multipart_uploads")
            uploads = [
                (upload["Key"], upload["UploadId"])
                for page in pages.paginate(Bucket=bucket, Prefix=key)
                for upload in page.get("Uploads", [])
                if beneath or upload["Key"] == key
                if only is None or upload["UploadId"] in only
            ]
        for found, upload_id in uploads:
            with suppress(NotFound), errors_classified("AbortMultipartUpload"):
                self._client.abort_multipart_upload(Bucket=bucket, Key=found, UploadId=upload_id)
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
            Permanent: as AWS's error is classified.
        """
        bucket, key = _object(uri)
        try:
            with errors_classified("GetObject", awaits_bucket=True):
                answer = self._client.get_object(Bucket=bucket, Key=key)
        except NotFound as error:
            raise Transient("ResultMissing", f"There is no object {uri}.") from error
        with errors_classified("GetObject"), closing(answer["Body"]) as body:
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
            Permanent: as AWS's error is classified.
        """
        with self.opened(uri) as found:
            return found.read()

    def delete(self, uri: str) -> None:
        """Delete an object; one that is not there is fine.

        Raises:
            Transient, Permanent: as AWS's error is classified.
        """
        bucket, key = _object(uri)
        with errors_classified("DeleteObject"):
            self._client.delete_object(Bucket=bucket, Key=key)

    def bucket_region(self, bucket: str) -> str:
        """Where a bucket is.

        Raises:
            Transient, Permanent: as AWS's error is classified, so also that it is not to be had.
        """
        try:
            with errors_classified("HeadBucket"):
                head = self._client.head_bucket(Bucket=bucket)
        except NotFound as error:
            raise Permanent("NoSuchBucket", f"The bucket {bucket} does not exist.") from error
        headers = head["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region", ""))

    def _same_content(self, uri: str, file: BufferedReader) -> bool:
        file.seek(0)
        with self.opened(uri) as found:
            return all(file.read(len(piece)) == piece for piece in found.pieces())
