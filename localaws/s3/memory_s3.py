"""S3 on the wire for `--light`: the operations that uploads, results and clean-ups need.

A WSGI application like moto's, at a twentieth of its CPU. What it does not know it refuses with
NotImplemented, so that nobody takes it for the real thing.
"""

import email.utils
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from localaws.errors import ServiceError
from localaws.operations import bucket_and_key, s3_operation
from localaws.s3.aws_chunked import decoded
from localaws.s3.memory_store import MemoryStore, StoredObject

Environ = dict[str, Any]
Query = dict[str, str]
Headers = list[tuple[str, str]]
#: Status, headers and body of an answer.
Reply = tuple[int, Headers, bytes]

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_REGION = "us-east-1"
_MAX_KEYS = 1000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: Kept with an object and given back with it, beside its metadata and checksums.
_KEPT = ("CONTENT_TYPE", "HTTP_CONTENT_DISPOSITION", "HTTP_CONTENT_LANGUAGE", "HTTP_CACHE_CONTROL")
_KEPT_PREFIXES = ("HTTP_X_AMZ_META_", "HTTP_X_AMZ_CHECKSUM_")
_NOT_KEPT = {"HTTP_X_AMZ_CHECKSUM_MODE", "HTTP_X_AMZ_CHECKSUM_ALGORITHM"}


class MemoryS3:
    """Answers S3 requests out of a MemoryStore."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._operations: dict[str, Callable[[str, str, Query, Environ], Reply]] = {
            "ListBuckets": self._list_buckets,
            "CreateBucket": self._create_bucket,
            "HeadBucket": self._head_bucket,
            "GetBucketLocation": self._location,
            "ListObjectsV2": self._list_objects,
            "ListMultipartUploads": self._list_uploads,
            "PutObject": self._put,
            "HeadObject": self._get,
            "GetObject": self._get,
            "DeleteObject": self._delete,
            "CreateMultipartUpload": self._create_upload,
            "UploadPart": self._put_part,
            "CompleteMultipartUpload": self._complete_upload,
            "AbortMultipartUpload": self._abort_upload,
        }

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        bucket, key = bucket_and_key(environ)
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        operation = s3_operation(environ, bucket, key, query)
        try:
            answer = self._operations.get(operation)
            if answer is None:
                raise _not_implemented()
            status, headers, body = answer(bucket, key, query, environ)
        except ServiceError as error:
            status, headers, body = _refusal(error)
        if not any(name == "Content-Length" for name, _ in headers):
            headers.append(("Content-Length", str(len(body))))
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    # -- buckets ----------------------------------------------------------------------------------

    def _list_buckets(self, *_: Any) -> Reply:
        names = self._store.bucket_names()
        buckets = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in names)
        return _xml("ListAllMyBucketsResult", f"<Buckets>{buckets}</Buckets>")

    def _create_bucket(self, bucket: str, *_: Any) -> Reply:
        try:
            self._store.create_bucket(bucket)
        except ValueError as error:
            raise ServiceError("InvalidBucketName", str(error), 400) from error
        return 200, [("Location", f"/{bucket}")], b""

    def _head_bucket(self, bucket: str, *_: Any) -> Reply:
        self._store.check_bucket(bucket)
        return 200, [("x-amz-bucket-region", _REGION)], b""

    def _location(self, bucket: str, *_: Any) -> Reply:
        self._store.check_bucket(bucket)
        return _xml("LocationConstraint", "")  # which is how S3 says us-east-1

    def _list_objects(self, bucket: str, _key: str, query: Query, _: Environ) -> Reply:
        if query.get("delimiter"):
            raise ServiceError("NotImplemented", "localaws --light lists without Delimiter.", 501)
        prefix = query.get("prefix", "")
        after = query.get("continuation-token") or query.get("start-after") or ""
        most = min(int(query.get("max-keys") or _MAX_KEYS), _MAX_KEYS)
        found = list(self._store.listed(bucket, prefix, after))
        shown = _shown(query)
        entries = "".join(
            f"<Contents><Key>{shown(key)}</Key><LastModified>{_iso(each.modified)}</LastModified>"
            f"<ETag>&quot;{each.etag}&quot;</ETag><Size>{len(each.body)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, each in found[:most]
        )
        more = len(found) > most > 0
        last = found[most - 1][0] if more else ""
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>"
        return _xml(
            "ListBucketResult",
            f"<Name>{bucket}</Name><Prefix>{shown(prefix)}</Prefix><MaxKeys>{most}</MaxKeys>"
            f"<KeyCount>{min(len(found), most)}</KeyCount>{_encoding(query)}"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token if more else ''}{entries}",
        )

    # -- objects ----------------------------------------------------------------------------------

    def _put(self, bucket: str, key: str, _: Query, environ: Environ) -> Reply:
        body = decoded(environ)
        etag = self._store.put(bucket, key, body, _kept_headers(environ))
        return 200, [("ETag", f'"{etag}"')], b""

    def _get(self, bucket: str, key: str, _: Query, environ: Environ) -> Reply:
        found = self._store.get(bucket, key)
        headers = _object_headers(found, checksums="HTTP_X_AMZ_CHECKSUM_MODE" in environ)
        body, status = found.body, 200
        if asked := _RANGE.fullmatch(environ.get("HTTP_RANGE", "")):
            body, content_range = _part(found.body, asked[1], asked[2])
            headers = _object_headers(found, checksums=False)
            headers.append(("Content-Range", content_range))
            status = 206
        headers.append(("Content-Length", str(len(body))))
        return status, headers, b"" if environ["REQUEST_METHOD"] == "HEAD" else body

    def _delete(self, bucket: str, key: str, *_: Any) -> Reply:
        self._store.delete(bucket, key)
        return 204, [], b""

    # -- uploads in parts -------------------------------------------------------------------------

    def _create_upload(self, bucket: str, key: str, query: Query, environ: Environ) -> Reply:
        if "uploads" not in query:
            raise _not_implemented()
        upload_id = self._store.create_upload(bucket, key, _kept_headers(environ))
        return _xml(
            "InitiateMultipartUploadResult",
            f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><UploadId>{upload_id}</UploadId>",
        )

    def _put_part(self, bucket: str, key: str, query: Query, environ: Environ) -> Reply:
        number = int(query.get("partNumber") or 0)
        etag = self._store.put_part(bucket, key, query["uploadId"], number, decoded(environ))
        return 200, [("ETag", f'"{etag}"')], b""

    def _complete_upload(self, bucket: str, key: str, query: Query, environ: Environ) -> Reply:
        try:
            asked = ET.fromstring(decoded(environ))  # noqa: S314 - our own clients' requests
        except ET.ParseError as error:
            raise ServiceError("MalformedXML", "The list of parts is no XML.", 400) from error
        numbers = [int(each.text or 0) for each in asked.iter() if each.tag.endswith("PartNumber")]
        etag = self._store.complete_upload(bucket, key, query["uploadId"], numbers)
        return _xml(
            "CompleteMultipartUploadResult",
            f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><ETag>&quot;{etag}&quot;</ETag>",
        )

    def _abort_upload(self, bucket: str, key: str, query: Query, _: Environ) -> Reply:
        self._store.abort_upload(bucket, key, query["uploadId"])
        return 204, [], b""

    def _list_uploads(self, bucket: str, _key: str, query: Query, _: Environ) -> Reply:
        prefix = query.get("prefix", "")
        shown = _shown(query)
        entries = "".join(
            f"<Upload><Key>{shown(each.key)}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{_iso(each.created_at)}</Initiated></Upload>"
            for upload_id, each in self._store.uploads(bucket, prefix)
        )
        return _xml(
            "ListMultipartUploadsResult",
            f"<Bucket>{bucket}</Bucket><Prefix>{shown(prefix)}</Prefix>{_encoding(query)}"
            f"<IsTruncated>false</IsTruncated>{entries}",
        )


def _not_implemented() -> ServiceError:
    return ServiceError(
        "NotImplemented", "localaws --light has no such operation: run it without --light.", 501
    )


def _xml(root: str, inner: str) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {_NAMESPACE}>{inner}</{root}>'
    return 200, [("Content-Type", "application/xml")], text.encode()


def _refusal(error: ServiceError) -> Reply:
    text = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return error.status, [("Content-Type", "application/xml")], body


def _kept_headers(environ: Environ) -> dict[str, str]:
    kept = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name in _KEPT or (name.startswith(_KEPT_PREFIXES) and name not in _NOT_KEPT)
    }
    kept.setdefault("content-type", "binary/octet-stream")
    return kept


def _object_headers(found: StoredObject, *, checksums: bool) -> Headers:
    return [
        ("ETag", f'"{found.etag}"'),
        ("Last-Modified", email.utils.formatdate(found.modified, usegmt=True)),
        ("Accept-Ranges", "bytes"),
        *(
            (name, value)
            for name, value in found.headers.items()
            if checksums or not name.startswith("x-amz-checksum-")
        ),
    ]


def _part(body: bytes, first: str, last: str) -> tuple[bytes, str]:
    """The bytes of a Range, and the Content-Range to answer. Raises ServiceError."""
    size = len(body)
    start = int(first) if first else max(0, size - int(last or 0))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        raise ServiceError("InvalidRange", "The requested range is not satisfiable", 416)
    return body[start : end + 1], f"bytes {start}-{end}/{size}"


def _shown(query: Query) -> Callable[[str], str]:
    """How keys are written in a list: boto3 asks for them in URL encoding."""
    return quote if query.get("encoding-type") == "url" else escape


def _encoding(query: Query) -> str:
    asked = query.get("encoding-type") == "url"
    return "<EncodingType>url</EncodingType>" if asked else ""


def _iso(moment: float) -> str:
    stamp = datetime.fromtimestamp(moment, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"
