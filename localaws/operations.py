"""The AWS operation of a request, for counting calls and for faults."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl

_SCOPE = re.compile(r"Credential=[^/]*/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_TARGET = "Transcribe."

_ON_BUCKET = {
    "GET": "ListObjects",
    "PUT": "CreateBucket",
    "HEAD": "HeadBucket",
    "DELETE": "DeleteBucket",
    "POST": "DeleteObjects",
}
_ON_OBJECT = {
    "GET": "GetObject",
    "PUT": "PutObject",
    "HEAD": "HeadObject",
    "DELETE": "DeleteObject",
    "POST": "CreateMultipartUpload",
}
_ON_UPLOAD = {
    "GET": "ListParts",
    "PUT": "UploadPart",
    "POST": "CompleteMultipartUpload",
    "DELETE": "AbortMultipartUpload",
}
#: Those that are not called after their method.
_OTHER_NAMES = {"GetBucketUploads": "ListMultipartUploads"}
#: Subresources of a bucket or object: `GET /bucket?versioning` is GetBucketVersioning.
_SUBRESOURCE = re.compile(
    r"^(acl|cors|encryption|lifecycle|location|policy|tagging|versioning|versions|uploads|delete)$"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. A fault's `match` searches `name`: in S3 the key, or a list's prefix."""

    service: str
    operation: str
    region: str
    name: str = ""


def identify(environ: dict[str, Any]) -> Call:
    """The call of a WSGI request; for services other than S3 and Transcribe a guess."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    region = scope["region"] if scope else "us-east-1"
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target.startswith(_TARGET):
        return Call("transcribe", target.removeprefix(_TARGET), region)
    service = scope["service"] if scope else "s3"
    if service != "s3":
        return Call(service, target.rpartition(".")[2], region)
    bucket, key = bucket_and_key(environ)
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    operation = s3_operation(environ, bucket, key, query)
    return Call("s3", operation, region, key or query.get("prefix", ""))


def form_action(body: bytes) -> str:
    """The operation that a form names, as query services (STS) send it."""
    return parse_qs(body.decode("latin-1")).get("Action", [""])[0]


def bucket_and_key(environ: dict[str, Any]) -> tuple[str, str]:
    """Bucket and key from the path, or host and path, of an S3 request; either may be empty."""
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")[1:]
    host = environ.get("HTTP_HOST", "").partition(":")[0]
    if host.endswith(".localhost"):
        return host.removesuffix(".localhost"), path
    bucket, _, key = path.partition("/")
    return bucket, key


def s3_operation(environ: dict[str, Any], bucket: str, key: str, query: dict[str, str]) -> str:
    """The name of an S3 operation, as botocore calls it where that is known."""
    method: str = environ["REQUEST_METHOD"]
    what = "Object" if key else "Bucket"
    subresource = next(filter(_SUBRESOURCE.match, query), None)
    if not bucket:
        return "ListBuckets"
    if "uploadId" in query:
        return _ON_UPLOAD.get(method, method)
    if method != "POST" and subresource:
        named = f"{method.capitalize()}{what}{subresource.capitalize()}"
        return _OTHER_NAMES.get(named, named)
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "CopyObject"
    if not key and query.get("list-type") == "2":
        return "ListObjectsV2"
    return (_ON_OBJECT if key else _ON_BUCKET).get(method, method)
