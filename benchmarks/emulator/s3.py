"""S3's API in memory: the operations of uploads, results and clean-ups.

It answers NotImplemented to every operation, query parameter and header that it does not know, so
that no benchmark measures something that S3 would do otherwise.
"""

from __future__ import annotations

import email.utils
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from benchmarks.emulator import bodies
from benchmarks.emulator.store import MemoryStore, StoredObject, precondition_failed
from localaws.errors import ServiceError
from localaws.http.answers import error_answer
from localaws.http.server import Environ
from tests.emulator.operations import bucket_and_key, s3_operation

Headers = list[tuple[str, str]]
#: Status, headers and body of an answer.
Reply = tuple[int, Headers, bytes]

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_REGION = "us-east-1"
_MAX_KEYS = 1000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_META = "HTTP_X_AMZ_META_"
#: Returned with an object, beside its metadata and checksums.
_STORED = {
    "CONTENT_TYPE",
    "HTTP_CONTENT_DISPOSITION",
    "HTTP_CONTENT_LANGUAGE",
    "HTTP_CACHE_CONTROL",
}
#: The headers that change what S3 does begin so.
_MEANINGFUL = ("HTTP_X_AMZ_", "HTTP_IF_", "HTTP_RANGE")
_ON_EVERY_REQUEST = {
    "HTTP_X_AMZ_CONTENT_SHA256",
    "HTTP_X_AMZ_DATE",
    "HTTP_X_AMZ_SECURITY_TOKEN",
    "HTTP_X_AMZ_USER_AGENT",
}
_ON_BODIES = bodies.CHECKSUM_HEADERS | {
    "HTTP_X_AMZ_DECODED_CONTENT_LENGTH",
    "HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM",
    "HTTP_X_AMZ_TRAILER",
}
_LIST_PARAMETERS = {
    *("list-type", "prefix", "max-keys", "continuation-token", "start-after", "encoding-type"),
}
_CHECKSUM_MODE, _IF_NONE_MATCH = "HTTP_X_AMZ_CHECKSUM_MODE", "HTTP_IF_NONE_MATCH"
_IF_MATCH = "HTTP_IF_MATCH"
_CHECKSUM_ALGORITHM = "HTTP_X_AMZ_CHECKSUM_ALGORITHM"


@dataclass(frozen=True, slots=True)
class _Request:
    bucket: str
    key: str
    query: dict[str, str]
    environ: Environ

    @property
    def only_new(self) -> bool:
        """Whether the object must not exist yet. Raises ServiceError for another condition."""
        condition = self.environ.get(_IF_NONE_MATCH, "")
        if condition not in {"", "*"}:
            raise _not_implemented(f"If-None-Match: {condition}")
        return bool(condition)


@dataclass(frozen=True, slots=True)
class _Operation:
    answer: Callable[[_Request], Reply]
    parameters: Iterable[str] = ()
    headers: Iterable[str] = ()

    def check(self, request: _Request) -> None:
        """Raises ServiceError (NotImplemented) for what would change the answer and is unknown."""
        for name in request.query.keys() - {"x-id", *self.parameters}:
            if not name.startswith("X-Amz-"):
                raise _not_implemented(f"the parameter {name}")
        for name in request.environ.keys() - {*_ON_EVERY_REQUEST, *self.headers}:
            if name.startswith(_MEANINGFUL) and not name.startswith(_META):
                raise _not_implemented(f"the header {name.removeprefix('HTTP_')}")


class MemoryS3:
    """A WSGI application over a MemoryStore."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._operations = {
            "HeadBucket": _Operation(self._head_bucket),
            "ListObjectsV2": _Operation(
                self._list_objects,
                _LIST_PARAMETERS,
            ),
            "PutObject": _Operation(self._put, (), {*_ON_BODIES, _IF_NONE_MATCH}),
            "HeadObject": _Operation(self._get, (), {_CHECKSUM_MODE, "HTTP_RANGE"}),
            "GetObject": _Operation(self._get, (), {_CHECKSUM_MODE, "HTTP_RANGE", _IF_MATCH}),
            "DeleteObject": _Operation(self._delete),
            "CreateMultipartUpload": _Operation(
                self._start_upload, {"uploads"}, {_CHECKSUM_ALGORITHM}
            ),
            "UploadPart": _Operation(self._put_part, {"partNumber", "uploadId"}, _ON_BODIES),
            "CompleteMultipartUpload": _Operation(
                self._complete_upload, {"uploadId"}, {*_ON_BODIES, _IF_NONE_MATCH}
            ),
            "AbortMultipartUpload": _Operation(self._abort_upload, {"uploadId"}),
            "ListMultipartUploads": _Operation(
                self._list_uploads, {"uploads", "prefix", "encoding-type"}
            ),
        }

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        bucket, key = bucket_and_key(environ)
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        request = _Request(bucket, key, query, environ)
        name = s3_operation(environ, bucket, key, query)
        try:
            operation = self._operations.get(name)
            if operation is None:
                raise _not_implemented(name)
            operation.check(request)
            status, headers, body = operation.answer(request)
        except ServiceError as error:
            return error_answer(error, "s3")(environ, start_response)
        if not any(name == "Content-Length" for name, _ in headers):
            headers.append(("Content-Length", str(len(body))))
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _head_bucket(self, request: _Request) -> Reply:
        self._store.check_bucket(request.bucket)
        return 200, [("x-amz-bucket-region", _REGION)], b""

    def _list_objects(self, request: _Request) -> Reply:
        query = request.query
        prefix = query.get("prefix", "")
        after = query.get("continuation-token") or query.get("start-after") or ""
        count = min(_number(query.get("max-keys", str(_MAX_KEYS))), _MAX_KEYS)
        found = list(self._store.listed(request.bucket, prefix, after))
        written = _writer(query)
        entries = "".join(
            f"<Contents><Key>{written(key)}</Key><LastModified>{_iso(each.modified)}</LastModified>"
            f"<ETag>&quot;{each.etag}&quot;</ETag><Size>{len(each.body)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, each in found[:count]
        )
        more = len(found) > count > 0
        last = found[count - 1][0] if more else ""
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>"
        return _xml(
            "ListBucketResult",
            f"<Name>{request.bucket}</Name><Prefix>{written(prefix)}</Prefix>"
            f"<MaxKeys>{count}</MaxKeys><KeyCount>{min(len(found), count)}</KeyCount>"
            f"{_encoding(query)}<IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token if more else ''}{entries}",
        )

    def _put(self, request: _Request) -> Reply:
        body = bodies.read(request.environ)
        headers = _stored_headers(request.environ)
        etag = self._store.put(
            request.bucket, request.key, body, headers, only_new=request.only_new
        )
        return _stored(etag, request)

    def _get(self, request: _Request) -> Reply:
        found = self._store.get(request.bucket, request.key)
        if request.environ.get(_IF_MATCH, f'"{found.etag}"') != f'"{found.etag}"':
            raise precondition_failed()
        body, status = found.body, 200
        headers = _object_headers(found, checksums=_CHECKSUM_MODE in request.environ)
        if range_ := request.environ.get("HTTP_RANGE"):
            body, content_range = _part(found.body, range_)
            headers = _object_headers(found, checksums=False)
            headers.append(("Content-Range", content_range))
            status = 206
        headers.append(("Content-Length", str(len(body))))
        return status, headers, b"" if request.environ["REQUEST_METHOD"] == "HEAD" else body

    def _delete(self, request: _Request) -> Reply:
        self._store.delete(request.bucket, request.key)
        return 204, [], b""

    def _start_upload(self, request: _Request) -> Reply:
        headers = _stored_headers(request.environ)
        upload_id = self._store.start_upload(request.bucket, request.key, headers)
        return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload_id}</UploadId>")

    def _put_part(self, request: _Request) -> Reply:
        number, upload_id = _number(request.query["partNumber"]), request.query["uploadId"]
        body = bodies.read(request.environ)
        etag = self._store.put_part(request.bucket, request.key, upload_id, number, body)
        return _stored(etag, request)

    def _complete_upload(self, request: _Request) -> Reply:
        upload_id = request.query["uploadId"]
        parts = []
        for fields in _parts(bodies.read(request.environ)):
            number = _number(fields.pop("PartNumber", ""))
            parts.append((number, fields.pop("ETag", "").strip('"')))
            part = self._store.part(request.bucket, request.key, upload_id, number)
            bodies.check({tag.removeprefix("Checksum"): each for tag, each in fields.items()}, part)
        etag = self._store.complete_upload(
            request.bucket, request.key, upload_id, parts, only_new=request.only_new
        )
        return _xml("CompleteMultipartUploadResult", f"<ETag>&quot;{etag}&quot;</ETag>")

    def _abort_upload(self, request: _Request) -> Reply:
        self._store.abort_upload(request.bucket, request.key, request.query["uploadId"])
        return 204, [], b""

    def _list_uploads(self, request: _Request) -> Reply:
        written = _writer(request.query)
        entries = "".join(
            f"<Upload><Key>{written(each.key)}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{_iso(each.started)}</Initiated></Upload>"
            for upload_id, each in self._store.uploads(
                request.bucket, request.query.get("prefix", "")
            )
        )
        return _xml(
            "ListMultipartUploadsResult",
            f"{_encoding(request.query)}<IsTruncated>false</IsTruncated>{entries}",
        )


def _not_implemented(what: str) -> ServiceError:
    return ServiceError("NotImplemented", f"S3 in memory does not know {what}.", 501)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ServiceError("InvalidArgument", f"{text!r} is not a number.", 400)
    return int(text)


def _xml(root: str, inner: str) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {_NAMESPACE}>{inner}</{root}>'
    return 200, [("Content-Type", "application/xml")], text.encode()


def _parts(body: bytes) -> list[dict[str, str]]:
    """The fields of each part that CompleteMultipartUpload names. Raises ServiceError."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - our own clients' requests
    except ET.ParseError as error:
        raise ServiceError("MalformedXML", "The list of parts is not XML.", 400) from error
    return [{field.tag.rpartition("}")[2]: field.text or "" for field in part} for part in root]


def _stored(etag: str, request: _Request) -> Reply:
    """The answer to a body that was stored, with its checksums."""
    found = bodies.checksums(request.environ)
    checks = [(f"x-amz-checksum-{name.lower()}", value) for name, value in found.items()]
    return 200, [("ETag", f'"{etag}"'), *checks], b""


def _stored_headers(environ: Environ) -> dict[str, str]:
    names = _STORED | bodies.CHECKSUM_HEADERS
    stored = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name in names or name.startswith(_META)
    }
    stored.setdefault("content-type", "binary/octet-stream")
    return stored


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


def _part(body: bytes, range_: str) -> tuple[bytes, str]:
    """The bytes of a Range, and the Content-Range of the answer. Raises ServiceError."""
    match, size = _RANGE.fullmatch(range_), len(body)
    if match is None or match[1] == match[2] == "":
        raise _not_implemented(f"Range: {range_}")
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    end = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if start > end:
        raise ServiceError("InvalidRange", "The requested range is not satisfiable", 416)
    return body[start : end + 1], f"bytes {start}-{end}/{size}"


def _writer(query: dict[str, str]) -> Callable[[str], str]:
    """How lists write keys: boto3 asks for URL encoding. Raises ServiceError."""
    encoding = query.get("encoding-type")
    if encoding not in {None, "url"}:
        raise _not_implemented(f"the encoding {encoding}")
    return quote if encoding else escape


def _encoding(query: dict[str, str]) -> str:
    return "<EncodingType>url</EncodingType>" if "encoding-type" in query else ""


def _iso(moment: float) -> str:
    stamp = datetime.fromtimestamp(moment, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"
