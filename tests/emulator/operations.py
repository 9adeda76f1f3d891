"""The AWS operation of a request, for counting calls and for faults."""

import io
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import botocore.session

from localaws.errors import ServiceError
from localaws.http import routing
from localaws.http.server import Environ
from localaws.transcribe.api import decode

#: Of an S3 operation: its name, and the query and header names that its requests have.
_Rule = tuple[str, frozenset[str], frozenset[str]]


_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class NamedCall:
    """One request. A fault's `match` searches `name`: in S3 the key, or a list's prefix."""

    service: str
    operation: str
    name: str = ""


def identify(environ: Environ) -> NamedCall:
    """The call of a WSGI request; for services other than S3 and Transcribe a guess."""
    call = routing.identify(environ)
    if call.service == "transcribe":
        return NamedCall(call.service, call.operation, _job_name(read_body(environ)))
    if call.service != "s3":
        is_form = environ.get("CONTENT_TYPE", "").startswith(_FORM)
        action = form_action(read_body(environ)) if is_form else ""
        return NamedCall(call.service, action or call.operation)
    bucket, key = bucket_and_key(environ)
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    operation = s3_operation(environ, bucket, key, query)
    return NamedCall("s3", operation, key or query.get("prefix", ""))


def read_body(environ: Environ) -> bytes:
    """The body of a request, which the application can read once more."""
    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _job_name(body: bytes) -> str:
    try:
        params = decode(body)
    except ServiceError:
        return ""
    return str(params.get("TranscriptionJobName") or params.get("JobNameContains") or "")


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
    """The name of an S3 operation in botocore's model; the method where there is none."""
    method: str = environ["REQUEST_METHOD"]
    for name, parameters, headers in _s3_rules().get((method, bool(bucket), bool(key)), ()):
        if parameters <= query.keys() and headers <= environ.keys():
            return name
    return method


@cache
def _s3_rules() -> dict[tuple[str, bool, bool], list[_Rule]]:
    """By method, and whether there are bucket and key: the rules, the most specific first."""
    rules: defaultdict[tuple[str, bool, bool], list[_Rule]] = defaultdict(list)
    model: Any = botocore.session.get_session().get_service_model("s3")
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, fixed = operation.http["requestUri"].partition("?")
        parameters = set(dict(parse_qsl(fixed, keep_blank_values=True))) - {"x-id"}
        headers = set()
        shape = operation.input_shape
        for each in (shape.members[member].serialization for member in shape.required_members):
            if each.get("location") == "querystring":
                parameters.add(each["name"])
            elif each.get("location") == "header":
                headers.add("HTTP_" + each["name"].upper().replace("-", "_"))
        kind = (operation.http["method"], "{Bucket}" in path, "{Key+}" in path)
        rules[kind].append((name, frozenset(parameters), frozenset(headers)))
    for found in rules.values():
        found.sort(key=lambda rule: (-len(rule[1]) - len(rule[2]), rule[0]))
    return rules
