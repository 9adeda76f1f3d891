"""The AWS operation of a request, for counting calls and for faults."""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import botocore.session

_SCOPE = re.compile(r"Credential=[^/]*/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_TARGET = "Transcribe."

#: Of an S3 operation: its name, and the query and header names that its requests have.
_Rule = tuple[str, frozenset[str], frozenset[str]]


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
