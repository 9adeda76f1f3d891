"""Sends files to S3: each byte is read once, and all that is on its way takes bounded memory.

A file below `PART_BYTES` is sent whole, in the thread that asks for it. A larger one is sent in
parts, by threads that all large files share: each acquires memory for one part at a time, so they
alternate. Both kinds have a budget of their own, so that no small file waits for a large one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from producer.contract.s3_uri import S3Uri
from worker.aws.budget import Budget
from worker.aws.errors import AlreadyExists, errors_classified
from worker.aws.payload import Progress, Reading, body, checksum

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

#: S3 allows 10,000 parts, so parts of this size reach far beyond 2 GB.
PART_BYTES = 8 * 1024 * 1024
#: Parts on their way at once, of all large files of a process. One connection to S3 carries some
#: 50 MB/s, so these fill a link of a few Gbit/s.
PARTS_AT_ONCE = 8
#: Memory for all files that go whole.
_WHOLE_BYTES = 4 * PART_BYTES


#: Called with S3's id of an upload in parts.
UploadStarted = Callable[[str], object]


class _Stopped(Exception):
    """Another part of the same file could not be sent."""


class Sender:
    """Sends files for all threads of a process."""

    def __init__(self, client: S3Client) -> None:
        """Use `client`; the first large file starts the threads."""
        self._client = client
        self._threads = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="part")
        self._parts = Budget(PARTS_AT_ONCE * PART_BYTES)
        self._whole = Budget(_WHOLE_BYTES)

    def send(
        self,
        file: BufferedReader,
        uri: S3Uri,
        metadata: dict[str, str],
        progress: Progress,
        started: UploadStarted,
        *,
        only_new: bool,
    ) -> str | None:
        """Send a file from its beginning, as `Storage.put` says.

        Returns the SHA-256 of what was sent, in hex; None if something is there.

        Raises:
            Transient: also if the file changes meanwhile, of which S3 keeps nothing.
            Transient, Permanent: also if `progress` raised.
        """
        to: dict[str, Any] = {"Bucket": uri.bucket, "Key": uri.key}
        on: dict[str, Any] = {"IfNoneMatch": "*"} if only_new else {}
        reading = Reading(file)
        try:
            with errors_classified("PutObject", awaits_bucket=True):
                if reading.size < PART_BYTES:
                    self._send_whole(reading, progress, {**to, "Metadata": metadata, **on})
                else:
                    self._send_in_parts(reading, to, metadata, progress, started, on)
        except AlreadyExists:
            return None
        return reading.sha256

    def _send_whole(self, reading: Reading, progress: Progress, to: dict[str, Any]) -> None:
        self._whole.acquire(reading.size, lambda: progress(0))
        try:
            data = reading.next(reading.size)
            reading.check_unchanged()
            self._client.put_object(Body=body(data, progress), ChecksumCRC32=checksum(data), **to)
        finally:
            self._whole.release(reading.size)

    def _send_in_parts(
        self,
        reading: Reading,
        to: dict[str, Any],
        metadata: dict[str, str],
        progress: Progress,
        started: UploadStarted,
        on: dict[str, Any],
    ) -> None:
        upload_id = self._client.create_multipart_upload(
            ChecksumAlgorithm="CRC32", Metadata=metadata, **to
        )["UploadId"]
        upload = {**to, "UploadId": upload_id}
        try:
            started(upload_id)
            parts = _Parts(self._client, self._threads, self._parts, upload, progress)
            sent = parts.send(reading)
            reading.check_unchanged()
            self._client.complete_multipart_upload(MultipartUpload={"Parts": sent}, **upload, **on)
        except BaseException:
            # If that fails, the cleanup or the next try aborts it.
            with suppress(ClientError, BotoCoreError):
                self._client.abort_multipart_upload(**upload)
            raise


@dataclass(frozen=True)
class _Parts:
    """The parts of one upload."""

    client: S3Client
    threads: ThreadPoolExecutor
    budget: Budget
    upload: dict[str, Any]
    progress: Progress
    #: the errors of its parts, the cause first
    failed: list[BaseException] = field(default_factory=list)

    def send(self, reading: Reading) -> list[CompletedPartTypeDef]:
        """Send all of a file; returns the parts as CompleteMultipartUpload needs them."""
        sent: list[Future[CompletedPartTypeDef]] = []
        try:
            with suppress(_Stopped):  # the one that failed says why
                while len(sent) * PART_BYTES < reading.size:
                    sent.append(self._start_part(reading, len(sent) + 1))
        except BaseException as error:
            self.failed.append(error)
            raise
        finally:
            # S3 would keep, for ever, a part that comes after the end of its upload.
            wait(sent)
        if self.failed:
            raise self.failed[0]
        return [part.result() for part in sent]

    def _start_part(self, reading: Reading, number: int) -> Future[CompletedPartTypeDef]:
        self.budget.acquire(PART_BYTES, lambda: self._check(0))
        try:
            return self.threads.submit(self._send_one, number, reading.next(PART_BYTES))
        except BaseException:
            self.budget.release(PART_BYTES)
            raise

    def _send_one(self, number: int, data: bytes) -> CompletedPartTypeDef:
        try:
            crc = checksum(data)
            answer = self.client.upload_part(
                Body=body(data, self._check), PartNumber=number, ChecksumCRC32=crc, **self.upload
            )
        except BaseException as error:
            self.failed.append(error)
            raise
        finally:
            self.budget.release(PART_BYTES)
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": crc}

    def _check(self, count: int) -> None:
        if self.failed:
            raise _Stopped
        self.progress(count)
