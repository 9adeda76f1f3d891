"""Quotas and faults as values: reading them, and when they strike."""

from typing import Any

import pytest

from localaws.errors import UsageError
from localaws.http import routing
from localaws.quotas import Quotas, RateLimiter
from tests.emulator.faults import Fault, FaultInjector
from tests.emulator.operations import identify


def test_the_defaults_are_those_of_a_new_account() -> None:
    assert Quotas() == Quotas(jobs=250, start=25, get=30, list=5, delete=5)


def test_a_quota_that_is_not_named_keeps_its_default_and_off_lifts_one() -> None:
    assert Quotas.parse("jobs=3, get=off") == Quotas(jobs=3, get=None)


@pytest.mark.parametrize("text", ["jobs=0", "jobs=-1", "start=x", "jobs=nan", "put=3", "jobs"])
def test_a_quota_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Quotas.parse(text)


def test_as_many_calls_pass_at_once_as_the_rate_says_and_no_more() -> None:
    # So slow that no token can come back while the test runs.
    limiter = RateLimiter(Quotas(start=3, get=None, list=0.001))

    assert [limiter.acquire("ListTranscriptionJobs") for _ in range(3)] == [True, False, False]
    assert [limiter.acquire("StartTranscriptionJob") for _ in range(4)][:3] == [True] * 3
    assert all(limiter.acquire("GetTranscriptionJob") for _ in range(1000))
    assert all(limiter.acquire("TagResource") for _ in range(1000))


def test_a_fault_strikes_the_calls_it_fits_as_often_as_it_says() -> None:
    faults = FaultInjector([Fault("throttle", operation="Get*", match="^a", times=2)])

    assert faults.for_call("StartTranscriptionJob", "a1") is None
    assert faults.for_call("GetTranscriptionJob", "b1") is None
    assert faults.for_call("GetTranscriptionJob", "a1") is not None
    assert faults.for_call("GetObject", "a/key") is not None
    assert faults.for_call("GetTranscriptionJob", "a1") is None


def test_a_rate_is_the_fraction_of_calls_that_fail() -> None:
    faults = FaultInjector([Fault("throttle", rate=0.5)])

    struck = sum(faults.for_call("GetObject", "") is not None for _ in range(2000))

    assert 800 < struck < 1200
    assert FaultInjector([Fault("throttle", rate=0.0)]).for_call("GetObject", "") is None


def test_a_failure_is_no_refusal() -> None:
    faults = FaultInjector([Fault("fail", match="bad", reason="Because.")])

    assert faults.for_call("StartTranscriptionJob", "bad") is None
    fault = faults.for_job("a-bad-one", "fail")
    assert fault is not None
    assert fault.reason == "Because."
    assert faults.for_job("good", "fail") is None


def test_cleared_faults_are_gone() -> None:
    faults = FaultInjector([Fault("throttle")])
    faults.replace([])

    assert faults.for_call("GetObject", "") is None


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "explode"},
        {"kind": "throttle", "match": "("},
        {"kind": "throttle", "match": 5},
        {"kind": "throttle", "rate": 2},
        {"kind": "throttle", "times": 0},
        {"kind": "throttle", "times": "2"},
        {"kind": "throttle", "operation": None},
        {"kind": "timeout", "seconds": -1},
        {"kind": "throttle", "colour": "red"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Fault.from_dict(values)


@pytest.mark.parametrize(
    ("request_", "operation"),
    [
        ("GET /", "ListBuckets"),
        ("PUT /bucket", "CreateBucket"),
        ("HEAD /bucket", "HeadBucket"),
        ("DELETE /bucket", "DeleteBucket"),
        ("GET /bucket?list-type=2&prefix=a", "ListObjectsV2"),
        ("GET /bucket?versioning", "GetBucketVersioning"),
        ("GET /bucket?uploads&prefix=a", "ListMultipartUploads"),
        ("POST /bucket?delete", "DeleteObjects"),
        ("PUT /bucket/a/key?retention", "PutObjectRetention"),
        ("PUT /bucket/a/key?legal-hold", "PutObjectLegalHold"),
        ("POST /bucket/a/key?restore", "RestoreObject"),
        ("GET /bucket/a/key?uploadId=u", "ListParts"),
        ("PATCH /bucket/a/key", "PATCH"),
        ("PUT /bucket/a/key", "PutObject"),
        ("PUT /bucket/a/key?partNumber=1&uploadId=u", "UploadPart"),
        ("POST /bucket/a/key?uploads", "CreateMultipartUpload"),
        ("POST /bucket/a/key?uploadId=u", "CompleteMultipartUpload"),
        ("DELETE /bucket/a/key?uploadId=u", "AbortMultipartUpload"),
        ("GET /bucket/a/key", "GetObject"),
        ("GET /bucket/a/key?tagging", "GetObjectTagging"),
        ("HEAD /bucket/a/key", "HeadObject"),
        ("DELETE /bucket/a/key", "DeleteObject"),
    ],
)
def test_s3_requests_are_known_by_their_operation(request_: str, operation: str) -> None:
    method, _, target = request_.partition(" ")
    path, _, query = target.partition("?")
    call = identify({"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query})

    assert (call.service, call.operation) == ("s3", operation)
    expected = "a/key" if path == "/bucket/a/key" else "a" if "prefix=a" in query else ""
    assert call.name == expected


def test_a_host_may_name_the_bucket() -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/key", "HTTP_HOST": "b.localhost:1"}

    assert identify(environ).name == "key"


def test_the_region_and_service_come_from_the_signature() -> None:
    signature = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/transcribe/aws4_request, x"
    call = routing.identify(
        {"HTTP_AUTHORIZATION": signature, "HTTP_X_AMZ_TARGET": "Transcribe.GetX"}
    )

    assert (call.service, call.operation, call.region) == ("transcribe", "GetX", "eu-west-1")
