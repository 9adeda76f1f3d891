"""Objects kept in dictionaries: the S3 of `--light`. Safe between threads."""

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from localaws.errors import ServiceError
from localaws.s3.objects import check_bucket_name


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object. `headers` go back to who asks for it, as they came; `modified` is since 1970."""

    body: bytes
    headers: dict[str, str]
    etag: str
    modified: float


@dataclass(slots=True)
class Upload:
    """An upload in parts that has not ended. `parts` are bodies by number, `etags` likewise."""

    key: str
    headers: dict[str, str]
    created_at: float
    parts: dict[int, bytes] = field(default_factory=dict)
    etags: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Bucket:
    objects: dict[str, StoredObject] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)


class MemoryStore:
    """An ObjectStore, and what S3 on the wire needs beside."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._buckets: dict[str, _Bucket] = {}

    # -- as Transcribe uses it --------------------------------------------------------------------

    def create_bucket(self, name: str) -> None:
        """Make sure that the bucket exists. Raises UsageError for a name that S3 does not allow."""
        check_bucket_name(name)
        with self._lock:
            self._buckets.setdefault(name, _Bucket())

    def has_bucket(self, name: str) -> bool:
        return name in self._buckets

    def size(self, bucket: str, key: str) -> int | None:
        """The object's size in bytes; None where the bucket or object is missing."""
        found = self._find(bucket, key)
        return None if found is None else len(found.body)

    def read(self, bucket: str, key: str) -> bytes | None:
        """The object's bytes; None where the bucket or object is missing."""
        found = self._find(bucket, key)
        return None if found is None else found.body

    def write(
        self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None
    ) -> None:
        """Put an object. Raises LookupError where the bucket is missing."""
        headers = {"Content-Type": content_type}
        if kms_key:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = kms_key
        try:
            self.put(bucket, key, body, headers)
        except ServiceError as error:
            raise LookupError(f"The bucket {bucket} cannot be written.") from error

    def clear(self) -> None:
        """Forget every bucket."""
        with self._lock:
            self._buckets.clear()

    # -- as S3 on the wire uses it; all raise ServiceError with a code and status of S3 ------------

    def bucket_names(self) -> list[str]:
        with self._lock:
            return sorted(self._buckets)

    def check_bucket(self, name: str) -> None:
        self._bucket(name)

    def put(self, bucket: str, key: str, body: bytes, headers: dict[str, str]) -> str:
        """Returns the ETag."""
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        with self._lock:
            self._bucket(bucket).objects[key] = StoredObject(body, headers, etag, time.time())
        return etag

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

    def create_upload(self, bucket: str, key: str, headers: dict[str, str]) -> str:
        """Returns the upload's id."""
        upload_id = uuid.uuid4().hex
        with self._lock:
            self._bucket(bucket).uploads[upload_id] = Upload(key, headers, time.time())
        return upload_id

    def put_part(self, bucket: str, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Returns the part's ETag."""
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        with self._lock:
            upload = self._upload(bucket, key, upload_id)
            upload.parts[number], upload.etags[number] = body, etag
        return etag

    def complete_upload(self, bucket: str, key: str, upload_id: str, numbers: list[int]) -> str:
        """Join the parts named. Returns the ETag: the MD5 of the parts' MD5s, and their number."""
        with self._lock:
            upload = self._upload(bucket, key, upload_id)
            if not numbers or any(number not in upload.parts for number in numbers):
                raise ServiceError(
                    "InvalidPart", "One or more of the specified parts could not be found.", 400
                )
            body = b"".join(upload.parts[number] for number in numbers)
            digests = b"".join(bytes.fromhex(upload.etags[number]) for number in numbers)
            joined = hashlib.md5(digests, usedforsecurity=False).hexdigest()
            etag = f"{joined}-{len(numbers)}"
            contents = self._bucket(bucket)
            contents.objects[key] = StoredObject(body, upload.headers, etag, time.time())
            del contents.uploads[upload_id]
        return etag

    def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        with self._lock:
            self._upload(bucket, key, upload_id)
            del self._bucket(bucket).uploads[upload_id]

    def uploads(self, bucket: str, prefix: str) -> list[tuple[str, Upload]]:
        """The uploads beneath a prefix that have not ended, with their ids, by key and age."""
        with self._lock:
            found = self._bucket(bucket).uploads.items()
            beneath = [each for each in found if each[1].key.startswith(prefix)]
        return sorted(beneath, key=lambda each: (each[1].key, each[1].created_at))

    def _find(self, bucket: str, key: str) -> StoredObject | None:
        with self._lock:
            contents = self._buckets.get(bucket)
            return None if contents is None else contents.objects.get(key)

    def _bucket(self, name: str) -> _Bucket:
        if name not in self._buckets:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404)
        return self._buckets[name]

    def _upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        upload = self._bucket(bucket).uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise ServiceError("NoSuchUpload", "The specified upload does not exist.", 404)
        return upload
