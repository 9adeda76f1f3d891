"""Objects in dictionaries. Safe between threads."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from localaws.errors import ServiceError
from localaws.s3.objects import check_bucket_name

MIN_PART_BYTES = 5 * 1024 * 1024


def etag(body: bytes) -> str:
    """S3's ETag of an object or a part."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def precondition_failed() -> ServiceError:
    """S3's answer where a condition is not true."""
    text = "At least one of the pre-conditions you specified did not hold"
    return ServiceError("PreconditionFailed", text, 412)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object. `headers` are returned with it; `modified` is in seconds since 1970."""

    body: bytes
    headers: dict[str, str]
    etag: str
    modified: float


@dataclass(slots=True)
class Upload:
    """A multipart upload that has not ended. `parts` are bodies by number."""

    key: str
    headers: dict[str, str]
    started: float
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Bucket:
    objects: dict[str, StoredObject] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)


class MemoryStore:
    """An ObjectStore, and what S3's API needs beside it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._buckets: dict[str, _Bucket] = {}

    # -- as ObjectStore has it ---------------------------------------------------------------------

    def create_bucket(self, name: str) -> None:
        check_bucket_name(name)
        with self._lock:
            self._buckets.setdefault(name, _Bucket())

    def size(self, bucket: str, key: str) -> int | None:
        found = self._find(bucket, key)
        return None if found is None else len(found.body)

    def read(self, bucket: str, key: str) -> bytes | None:
        found = self._find(bucket, key)
        return None if found is None else found.body

    def write(
        self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None
    ) -> None:
        headers = {"Content-Type": content_type}
        if kms_key:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = kms_key
        try:
            self.put(bucket, key, body, headers)
        except ServiceError as error:
            raise LookupError(f"The bucket {bucket} cannot be written.") from error

    def clear(self) -> None:
        with self._lock:
            self._buckets.clear()

    # -- as S3's API uses it; all raise ServiceError with a code and status of S3 -----------------

    def check_bucket(self, name: str) -> None:
        self._bucket(name)

    def put(
        self, bucket: str, key: str, body: bytes, headers: dict[str, str], *, only_new: bool = False
    ) -> str:
        """Returns the ETag."""
        with self._lock:
            return self._put(
                bucket, key, StoredObject(body, headers, etag(body), time.time()), only_new
            )

    def get(self, bucket: str, key: str) -> StoredObject:
        with self._lock:
            found = self._bucket(bucket).objects.get(key)
        if found is None:
            raise ServiceError("NoSuchKey", "The specified key does not exist.", 404)
        return found

    def delete(self, bucket: str, key: str) -> None:
        with self._lock:
            self._bucket(bucket).objects.pop(key, None)

    def listed(self, bucket: str, prefix: str, after: str) -> Iterator[tuple[str, StoredObject]]:
        """The objects beneath a prefix whose keys come after one, in the order of S3."""
        with self._lock:
            objects = self._bucket(bucket).objects
            keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
            found = [(key, objects[key]) for key in keys]
        return iter(found)

    def start_upload(self, bucket: str, key: str, headers: dict[str, str]) -> str:
        """Returns the upload's id."""
        upload_id = uuid.uuid4().hex
        with self._lock:
            self._bucket(bucket).uploads[upload_id] = Upload(key, headers, time.time())
        return upload_id

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Returns the part's ETag."""
        with self._lock:
            self._upload(bucket, key, upload_id).parts[number] = body
        return etag(body)

    def part(self, bucket: str, key: str, upload_id: str, number: int) -> bytes:
        """The body of a part; empty if there is no such part."""
        with self._lock:
            return self._upload(bucket, key, upload_id).parts.get(number, b"")

    def complete_upload(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        parts: list[tuple[int, str]],
        *,
        only_new: bool = False,
    ) -> str:
        """Join the parts of these numbers and ETags. Returns the ETag of all."""
        with self._lock:
            upload = self._upload(bucket, key, upload_id)
            bodies = [upload.parts.get(number, b"") for number, _ in parts]
            if not parts or [etag(body) for body in bodies] != [tag for _, tag in parts]:
                raise ServiceError(
                    "InvalidPart", "One or more of the specified parts could not be found.", 400
                )
            if sorted(set(parts)) != parts:
                raise ServiceError("InvalidPartOrder", "The parts are not in ascending order.", 400)
            if any(len(body) < MIN_PART_BYTES for body in bodies[:-1]):
                raise ServiceError("EntityTooSmall", "A part is smaller than 5 MB.", 400)
            digests = b"".join(bytes.fromhex(tag) for _, tag in parts)
            whole = StoredObject(
                b"".join(bodies), upload.headers, f"{etag(digests)}-{len(parts)}", time.time()
            )
            tag = self._put(bucket, key, whole, only_new)
            del self._bucket(bucket).uploads[upload_id]
            return tag

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        with self._lock:
            self._upload(bucket, key, upload_id)
            del self._bucket(bucket).uploads[upload_id]

    def uploads(self, bucket: str, prefix: str) -> list[tuple[str, Upload]]:
        """The uploads beneath a prefix that have not ended, with their ids, by key and age."""
        with self._lock:
            found = self._bucket(bucket).uploads.items()
            beneath = [each for each in found if each[1].key.startswith(prefix)]
        return sorted(beneath, key=lambda each: (each[1].key, each[1].started))

    def _put(self, bucket: str, key: str, stored: StoredObject, only_new: bool) -> str:
        objects = self._bucket(bucket).objects
        if only_new and key in objects:
            raise precondition_failed()
        objects[key] = stored
        return stored.etag

    def _find(self, bucket: str, key: str) -> StoredObject | None:
        with self._lock:
            found = self._buckets.get(bucket)
            return None if found is None else found.objects.get(key)

    def _bucket(self, name: str) -> _Bucket:
        if name not in self._buckets:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404)
        return self._buckets[name]

    def _upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        upload = self._bucket(bucket).uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise ServiceError("NoSuchUpload", "The specified upload does not exist.", 404)
        return upload
