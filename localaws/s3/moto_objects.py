"""moto's S3 as an ObjectStore.

It calls moto's backend and not HTTP, for three reasons: thousands of `fixed` jobs write documents,
and a call costs 0.1 ms here and 5 ms there; a fault for a client's PutObject must not fail the
service's own; and a server with all threads busy cannot wait for itself.
"""

import contextlib
from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import get_canned_acl, s3_backends

from localaws.s3.objects import ACCOUNT_ID, SERVICE_BUCKET, check_bucket_name


class MotoStore:
    """An ObjectStore of this process's moto S3."""

    def __init__(self) -> None:
        self._backend: Any = s3_backends[ACCOUNT_ID]["aws"]

    def create_bucket(self, name: str) -> None:
        if name in self._backend.buckets:
            return
        check_bucket_name(name)  # moto checks the length only
        self._backend.create_bucket(name, "us-east-1")

    def size(self, bucket: str, key: str) -> int | None:
        found = self._find(bucket, key)
        return None if found is None else int(found.size)

    def read(self, bucket: str, key: str) -> bytes | None:
        found = self._find(bucket, key)
        return None if found is None else found.value

    def write(
        self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None
    ) -> None:
        encryption = {"encryption": "aws:kms", "kms_key_id": kms_key} if kms_key else {}
        try:
            written = self._backend.put_object(bucket, key, body, **encryption)
        except S3ClientError as error:
            raise LookupError(f"The bucket {bucket} cannot be written.") from error
        written.set_metadata({"Content-Type": content_type})
        if bucket == SERVICE_BUCKET:
            # Without credentials, addresses of the service bucket have no signature.
            written.set_acl(get_canned_acl("public-read"))

    def clear(self) -> None:
        # This also closes moto's temporary files.
        self._backend.reset()

    def _find(self, bucket: str, key: str) -> Any:
        with contextlib.suppress(S3ClientError):
            return self._backend.get_object(bucket, key)
        return None
