"""S3: put, compare, read, delete."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

from producer.contract.s3_uri import S3Uri
from worker.aws.endpoints import is_amazon
from worker.aws.errors import EmptyObject, NoBucket, NotFound, errors_classified
from worker.aws.etag import content_etag
from worker.aws.objects import OWNER, REQUEST, ListedObject, OpenObject, StoredObject, stored_object
from worker.aws.payload import Progress
from worker.aws.transfer import Sender, UploadStarted
from worker.errors import Permanent, ResultMissing, StageError
from worker.settings import ConditionalPut

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1024 * 1024


class Storage:
    """Objects in S3. Calls raise Transient or Permanent, as `errors` classifies AWS's errors."""

    def __init__(self, client: S3Client, conditional_put: ConditionalPut = "auto") -> None:
        """Use `client`, which may be shared between threads.

        Args:
            client: for S3.
            conditional_put: as in the settings.
        """
        self._client = client
        #: whether `put` leaves alone what is there, if so asked
        self.has_conditional_put = (
            is_amazon(client.meta.endpoint_url)
            if conditional_put == "auto"
            else conditional_put == "on"
        )
        self._sender = Sender(client)

    def head(self, uri: S3Uri, *, checksum: bool = False) -> StoredObject | None:
        """What S3 says of an object; None if it does not exist.

        Args:
            uri: of the object.
            checksum: ask for a checksum, too, which needs the right to decrypt the object.
        """
        asked: dict[str, Any] = {"ChecksumMode": "ENABLED"} if checksum else {}
        try:
            with errors_classified("HeadObject"):
                head = self._client.head_object(Bucket=uri.bucket, Key=uri.key, **asked)
        except NotFound:
            return None
        except Permanent:
            # S3 refuses a HEAD without words, and a GET with them.
            with suppress(NotFound), errors_classified("HeadObject"):
                self._client.get_object(Bucket=uri.bucket, Key=uri.key, Range="bytes=0-0")
            raise
        return stored_object(head, head["ContentLength"])

    def read_head(self, uri: S3Uri, max_bytes: int) -> tuple[StoredObject | None, bytes]:
        """What S3 says of an object, and up to `max_bytes` of its beginning, in one call.

        Returns None if the object does not exist; and no bytes if it is empty, or if they did not
        arrive as they were sent.
        """
        try:
            with errors_classified("GetObject"):
                answer = self._client.get_object(
                    Bucket=uri.bucket, Key=uri.key, Range=f"bytes=0-{max_bytes - 1}"
                )
        except NotFound:
            return None, b""
        except EmptyObject:
            return self.head(uri), b""
        sent = answer["ContentLength"]
        of = answer.get("ContentRange", "").rpartition("/")[2]
        size = int(of) if of.isdigit() else sent
        content = b""
        # The object is there, even if reading it fails. With a Range, some endpoints send a
        # checksum of other bytes than they send.
        with closing(answer["Body"]) as body, suppress(BotoCoreError):
            # A connection is of further use only if its answer was read.
            content = body.read() if sent <= max_bytes else b""
        whole = len(content) == min(size, max_bytes)
        return stored_object(answer, size), content if whole else b""

    def put(
        self,
        file: BufferedReader,
        uri: S3Uri,
        owner: str,
        progress: Progress,
        stored_request: str = "",
        *,
        started: UploadStarted = str,
        only_new: bool = False,
    ) -> str | None:
        """Send a file to S3, in parts if it is large; it is read once, and memory stays flat.

        Args:
            file: read from its beginning.
            uri: where to put it.
            owner: the job that it is put for, stored in the object's metadata.
            progress: called with each number of bytes sent; what it raises ends the upload, and
                S3 keeps nothing of it.
            stored_request: the owner's request, stored likewise; '' for none.
            started: called with the id of an upload in parts as it begins; as for `progress`.
            only_new: leave alone what is there already. Without `has_conditional_put` it is
                overwritten anyway, so call `head` first.

        Returns the SHA-256 of what was put, in hex; None if something was there.

        Raises:
            Transient: also if the bucket is gone, or the file changes meanwhile.
            Exception: what `progress` raised.
        """
        only_new = only_new and self.has_conditional_put
        metadata = {OWNER: owner} | ({REQUEST: stored_request} if stored_request else {})
        try:
            return self._sender.send(file, uri, metadata, progress, started, only_new=only_new)
        except StageError:
            # botocore wraps what `progress` raises in an error of the connection.
            progress(0)
            raise

    def abort_uploads(
        self, uri: S3Uri, *, beneath: bool = False, only: Collection[str] | None = None
    ) -> int:
        """Abort uploads in parts that nobody ended, which S3 keeps, and bills, for ever.

        Args:
            uri: the object that they were to become.
            beneath: `uri` is a folder; abort the uploads of all objects in it.
            only: S3's ids of the uploads to abort; None for all.

        Returns how many there were.
        """
        with errors_classified("ListMultipartUploads"):
            pages = self._client.get_paginator("list_multipart_uploads")
            uploads = [
                (S3Uri(f"s3://{uri.bucket}/{upload['Key']}"), upload["UploadId"])
                for page in pages.paginate(Bucket=uri.bucket, Prefix=uri.key)
                for upload in page.get("Uploads", [])
                if beneath or upload["Key"] == uri.key
                if only is None or upload["UploadId"] in only
            ]
        for found, upload_id in uploads:
            with suppress(NotFound), errors_classified("AbortMultipartUpload"):
                self._client.abort_multipart_upload(
                    Bucket=found.bucket, Key=found.key, UploadId=upload_id
                )
        return len(uploads)

    def has_content(
        self,
        stored: StoredObject,
        uri: S3Uri,
        file: BufferedReader,
        size: int,
        *,
        by_etag: bool = True,
    ) -> bool:
        """Whether an object has exactly the bytes of a file.

        Decided by size, then by the ETag where it is a hash of the content, else by reading both.
        Two files can be made that have the same ETag, so without `by_etag` both are read.
        """
        if stored.size != size:
            return False
        if by_etag and stored.etag == content_etag(file, multipart="-" in stored.etag):
            return True
        # A plain ETag is the MD5 of the content unless the bucket encrypts with KMS, and parts may
        # have had another size, so that only equal ETags prove something.
        file.seek(0)
        with self.open(uri) as found:
            return all(file.read(len(piece)) == piece for piece in found.pieces())

    @contextmanager
    def open(self, uri: S3Uri) -> Iterator[OpenObject]:
        """An object, with its size before its content is read, for the time of a `with`.

        Raises:
            Transient: also if the object or its bucket does not exist, for it may come.
        """
        try:
            with errors_classified("GetObject", awaits_bucket=True):
                answer = self._client.get_object(Bucket=uri.bucket, Key=uri.key)
        except NotFound as error:
            raise ResultMissing(f"There is no object {uri}.") from error
        with errors_classified("GetObject"), closing(answer["Body"]) as body:
            yield OpenObject(
                answer["ContentLength"],
                answer["LastModified"],
                body.read,
                lambda: body.iter_chunks(_CHUNK),
            )

    def objects(self, folder: S3Uri, after: S3Uri | None = None) -> list[ListedObject]:
        """The next objects in a folder and its folders, in order; none if there are no more.

        Args:
            folder: ends in `/`.
            after: the last object of the page before; None for the first page.
        """
        with errors_classified("ListObjectsV2"):
            page = self._client.list_objects_v2(
                Bucket=folder.bucket, Prefix=folder.key, StartAfter=after.key if after else ""
            )
        return [
            ListedObject(S3Uri(f"s3://{folder.bucket}/{each['Key']}"), each["LastModified"])
            for each in page.get("Contents", [])
        ]

    def delete(self, uri: S3Uri) -> None:
        """Delete an object; one that does not exist is fine."""
        with errors_classified("DeleteObject"):
            self._client.delete_object(Bucket=uri.bucket, Key=uri.key)

    def bucket_region(self, uri: S3Uri) -> str:
        """The region of the bucket of an object or folder.

        Raises:
            NoBucket: if the bucket does not exist.
        """
        try:
            with errors_classified("HeadBucket"):
                head = self._client.head_bucket(Bucket=uri.bucket)
        except NotFound as error:
            raise NoBucket("NoSuchBucket", f"The bucket {uri.bucket} does not exist.") from error
        headers = head["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region", ""))
