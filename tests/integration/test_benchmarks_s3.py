"""S3 as boto3 sees it: moto's and the one in memory of benchmarks answer alike."""

from __future__ import annotations

import hashlib
import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from benchmarks.emulator.server import serving_in_loop
from benchmarks.emulator.services import in_memory
from localaws.server import Endpoint
from tests.emulator.server import serve
from tests.support.account import Account, client
from tests.support.waiting import DEADLINE

BUCKET = "media"
PART = 5 * 1024 * 1024
DAY = datetime(2030, 1, 1, tzinfo=UTC)
ODD_KEYS = ["a b", "a+b", "a&b<c>", "grüße/ß", "per%20cent", "quo'te\"s"]


@pytest.fixture
def in_benchmarks() -> Iterator[Endpoint]:
    """The emulator of benchmarks."""
    with serve(
        recogniser="fixed:0", buckets=[BUCKET], backend=in_memory, server=serving_in_loop
    ) as served:
        yield served


@pytest.fixture
def with_moto() -> Iterator[Endpoint]:
    with serve(recogniser="fixed:0", buckets=[BUCKET]) as served:
        yield served


@pytest.fixture(params=["with_moto", "in_benchmarks"])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    found: Endpoint = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def memory(in_benchmarks: Endpoint) -> Iterator[Any]:
    """A client of S3 in memory."""
    with closing(client("s3", in_benchmarks.url, region="us-east-1")) as s3:
        yield s3


@pytest.fixture
def s3(endpoint: Endpoint) -> Iterator[Any]:
    with closing(client("s3", endpoint.url, region="us-east-1")) as s3:
        yield s3


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_comes_back_with_what_was_said_of_it(s3: Any) -> None:
    put = s3.put_object(
        Bucket=BUCKET, Key="k", Body=b"sound", ContentType="audio/wav", Metadata={"Owner-Is": "me"}
    )

    head = s3.head_object(Bucket=BUCKET, Key="k")
    got = s3.get_object(Bucket=BUCKET, Key="k")

    assert put["ETag"] == head["ETag"] == got["ETag"] == f'"{_md5(b"sound").hexdigest()}"'
    for answer in (head, got):
        assert (answer["ContentLength"], answer["ContentType"]) == (5, "audio/wav")
        assert answer["Metadata"] == {"owner-is": "me"}
        assert answer["LastModified"].tzinfo is not None
    # Its checksum, which boto3 sent by itself, is what the client then checks it by.
    assert got["Body"].read() == b"sound"
    assert s3.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"]


def test_an_empty_object_is_one(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="empty")

    assert s3.head_object(Bucket=BUCKET, Key="empty")["ContentLength"] == 0
    assert s3.get_object(Bucket=BUCKET, Key="empty")["Body"].read() == b""


@pytest.mark.parametrize(
    ("range_", "expected"),
    [("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=8-99", b"89")],
)
def test_a_range_is_that_part(s3: Any, range_: str, expected: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")

    answer = s3.get_object(Bucket=BUCKET, Key="k", Range=range_)

    assert answer["Body"].read() == expected
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"].endswith("/10")


def test_a_range_beyond_the_end_is_refused(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")

    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key="k", Range="bytes=10-")

    assert code(error) == ("InvalidRange", 416)


def test_missing_objects_and_buckets_have_the_codes_of_s3(s3: Any) -> None:
    with pytest.raises(ClientError) as no_object:
        s3.get_object(Bucket=BUCKET, Key="none")
    with pytest.raises(ClientError) as no_head:
        s3.head_object(Bucket=BUCKET, Key="none")
    with pytest.raises(ClientError) as no_bucket:
        s3.put_object(Bucket="none", Key="k", Body=b"")
    with pytest.raises(ClientError) as no_bucket_head:
        s3.head_bucket(Bucket="none")

    assert code(no_object) == ("NoSuchKey", 404)
    assert code(no_head) == code(no_bucket_head) == ("404", 404)
    assert code(no_bucket) == ("NoSuchBucket", 404)


def test_a_deleted_object_is_gone_and_may_be_deleted_again(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="k")
    s3.delete_object(Bucket=BUCKET, Key="k")

    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_objects_are_listed_in_pages_whatever_their_keys_are(s3: Any) -> None:
    for key in ODD_KEYS:
        s3.put_object(Bucket=BUCKET, Key=f"odd/{key}", Body=b"x" * len(key))
    s3.put_object(Bucket=BUCKET, Key="other", Body=b"")

    pages = list(
        s3.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix="odd/", PaginationConfig={"PageSize": 4}
        )
    )

    found = [each for page in pages for each in page["Contents"]]
    assert len(pages) == 2
    assert [each["Key"] for each in found] == sorted(f"odd/{key}" for key in ODD_KEYS)
    assert [each["Size"] for each in found] == [len(each["Key"]) - 4 for each in found]
    assert all(s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in found)


def test_parts_are_joined_in_their_order(s3: Any) -> None:
    bodies = [b"a" * PART, b"b" * 3]
    upload = started(s3, "k", Metadata={"owner": "me"})
    parts = [
        {"PartNumber": number, "ETag": put_part(s3, "k", upload, number, body)}
        for number, body in reversed(list(enumerate(bodies, 1)))
    ]

    done = s3.complete_multipart_upload(
        Bucket=BUCKET, Key="k", UploadId=upload, MultipartUpload={"Parts": parts[::-1]}
    )

    digests = b"".join(_md5(body).digest() for body in bodies)
    got = s3.get_object(Bucket=BUCKET, Key="k")
    assert done["ETag"] == got["ETag"] == f'"{_md5(digests).hexdigest()}-2"'
    assert got["Body"].read() == b"".join(bodies)
    assert got["Metadata"] == {"owner": "me"}
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_uploads_that_have_not_ended_are_listed_by_prefix_and_aborted(s3: Any) -> None:
    upload = started(s3, "mine/a b")
    started(s3, "others/k")

    (found,) = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="mine/")["Uploads"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key="mine/a b", UploadId=upload)

    assert (found["Key"], found["UploadId"]) == ("mine/a b", upload)
    left = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [each["Key"] for each in left] == ["others/k"]
    with pytest.raises(ClientError) as error:
        s3.abort_multipart_upload(Bucket=BUCKET, Key="mine/a b", UploadId=upload)
    assert code(error) == ("NoSuchUpload", 404)


def test_boto3_uploads_a_large_file_in_parts(s3: Any) -> None:
    content = bytes(range(256)) * (9 * 1024 * 4)  # 9 MB
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)

    s3.upload_fileobj(
        io.BytesIO(content), BUCKET, "big", ExtraArgs={"Metadata": {"a": "b"}}, Config=config
    )

    head = s3.head_object(Bucket=BUCKET, Key="big")
    assert head["ETag"].endswith('-2"')
    assert head["Metadata"] == {"a": "b"}
    file = io.BytesIO()
    s3.download_fileobj(BUCKET, "big", file, Config=config)  # by ranges
    assert file.getvalue() == content


def test_many_clients_at_once_get_each_their_own(endpoint: Endpoint, s3: Any) -> None:
    def round_trip(number: int) -> bool:
        body = str(number).encode() * 1000
        s3.put_object(Bucket=BUCKET, Key=f"k{number}", Body=body)
        return bool(s3.get_object(Bucket=BUCKET, Key=f"k{number}")["Body"].read() == body)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, range(100)))


def test_a_write_on_condition_leaves_what_is_there(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"first", IfNoneMatch="*")
    upload = started(s3, "k")
    part = {"PartNumber": 1, "ETag": put_part(s3, "k", upload, 1, b"second")}

    with pytest.raises(ClientError) as put:
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"second", IfNoneMatch="*")
    with pytest.raises(ClientError) as completed:
        s3.complete_multipart_upload(
            Bucket=BUCKET,
            Key="k",
            UploadId=upload,
            MultipartUpload={"Parts": [part]},
            IfNoneMatch="*",
        )

    assert code(put) == code(completed) == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"first"


def test_a_wrong_checksum_stores_nothing(memory: Any) -> None:
    upload = started(memory, "k", ChecksumAlgorithm="CRC32")
    tag = put_part(memory, "k", upload, 1, b"sound")
    wrong = {"ChecksumCRC32": "AAAAAA=="}
    part = {"PartNumber": 1, "ETag": tag, **wrong}

    with pytest.raises(ClientError) as put:
        memory.put_object(Bucket=BUCKET, Key="k", Body=b"sound", **wrong)
    with pytest.raises(ClientError) as put_of_part:
        memory.upload_part(
            Bucket=BUCKET, Key="k", UploadId=upload, PartNumber=2, Body=b"sound", **wrong
        )
    with pytest.raises(ClientError) as completed:
        memory.complete_multipart_upload(
            Bucket=BUCKET, Key="k", UploadId=upload, MultipartUpload={"Parts": [part]}
        )

    assert code(put) == code(put_of_part) == code(completed) == ("BadDigest", 400)
    assert "Contents" not in memory.list_objects_v2(Bucket=BUCKET)


@pytest.mark.parametrize(
    ("parts", "refusal"),
    [
        ([(1, b"a"), (2, b"b")], "EntityTooSmall"),
        ([(3, b"none")], "InvalidPart"),
    ],
)
def test_parts_that_make_no_object_are_refused(
    s3: Any, parts: list[tuple[int, bytes]], refusal: str
) -> None:
    upload = started(s3, "k")
    listed = [
        {"PartNumber": number, "ETag": put_part(s3, "k", upload, min(number, 2), body)}
        for number, body in parts
    ]

    with pytest.raises(ClientError) as error:
        s3.complete_multipart_upload(
            Bucket=BUCKET, Key="k", UploadId=upload, MultipartUpload={"Parts": listed}
        )

    assert code(error) == (refusal, 400)


def test_parts_must_be_in_order(memory: Any) -> None:
    """moto joins them in the order of the request."""
    upload = started(memory, "k")
    listed = [
        {"PartNumber": number, "ETag": put_part(memory, "k", upload, number, b"x" * PART)}
        for number in (2, 1)
    ]

    with pytest.raises(ClientError) as error:
        memory.complete_multipart_upload(
            Bucket=BUCKET, Key="k", UploadId=upload, MultipartUpload={"Parts": listed}
        )

    assert code(error) == ("InvalidPartOrder", 400)


def test_a_read_on_condition_wants_that_object(s3: Any) -> None:
    tag = s3.put_object(Bucket=BUCKET, Key="k", Body=b"first")["ETag"]

    assert s3.get_object(Bucket=BUCKET, Key="k", IfMatch=tag)["Body"].read() == b"first"
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key="k", IfMatch='"other"')
    assert code(error) == ("PreconditionFailed", 412)


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("put_object_retention", {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": DAY}}),
        ("put_object_legal_hold", {"LegalHold": {"Status": "ON"}}),
        ("put_object_tagging", {"Tagging": {"TagSet": []}}),
        ("put_object_acl", {"ACL": "private"}),
        ("copy_object", {"CopySource": f"{BUCKET}/k"}),
        ("restore_object", {"RestoreRequest": {"Days": 1}}),
        ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
        ("get_object_tagging", {}),
        ("list_parts", {"UploadId": "u"}),
        ("put_object", {"Tagging": "a=b"}),
        ("put_object", {"IfMatch": '"e"'}),
        ("put_object", {"IfNoneMatch": '"e"'}),
        ("put_object", {"ServerSideEncryption": "aws:kms"}),
        ("put_object", {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": DAY}),
        ("put_object", {"ChecksumCRC32C": "AAAAAA=="}),
        ("create_multipart_upload", {"StorageClass": "GLACIER"}),
        ("get_object", {"VersionId": "v"}),
        ("get_object", {"PartNumber": 1}),
        ("get_object", {"IfNoneMatch": '"e"'}),
        ("get_object", {"ResponseContentType": "a/b"}),
        ("get_object", {"Range": "bytes=0-1,2-3"}),
        ("head_object", {"IfModifiedSince": DAY}),
        ("delete_object", {"VersionId": "v"}),
        ("delete_object", {"IfMatch": '"e"'}),
        ("list_objects_v2", {"Delimiter": "/"}),
        ("list_objects_v2", {"FetchOwner": True}),
        ("list_objects", {}),
        ("list_object_versions", {}),
        ("list_multipart_uploads", {"KeyMarker": "k"}),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "k"}]}}),
        ("get_bucket_versioning", {}),
        ("delete_bucket", {}),
    ],
)
def test_memory_answers_not_implemented_to_what_it_does_not_know(
    memory: Any, operation: str, options: dict[str, Any]
) -> None:
    memory.put_object(Bucket=BUCKET, Key="k", Body=b"first")
    call = getattr(memory, operation)
    named = {"Key": "k"} if "Key" in model_of(memory, operation).members else {}

    with pytest.raises(ClientError) as error:
        call(Bucket=BUCKET, **named, **options)

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert memory.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"first"


def model_of(s3: Any, operation: str) -> Any:
    name = s3.meta.method_to_api_mapping[operation]
    return s3.meta.service_model.operation_model(name).input_shape


def test_of_other_services_memory_knows_who_one_is(in_benchmarks: Endpoint) -> None:
    with closing(client("sts", in_benchmarks.url)) as sts:
        assert sts.get_caller_identity()["Account"] == "123456789012"
        with pytest.raises(ClientError) as error:
            sts.get_session_token()
    with closing(client("service-quotas", in_benchmarks.url)) as quotas:
        assert quotas.list_service_quotas(ServiceCode="transcribe")["Quotas"]

    assert code(error) == ("NotImplemented", 501)


def test_a_job_in_memory_reads_its_audio_and_writes_its_result(in_benchmarks: Endpoint) -> None:
    account = Account(in_benchmarks)
    account.start("one")
    assert account.ended("one")["TranscriptionJobStatus"] == "COMPLETED"
    assert json.loads(account.read("out/one.json"))["jobName"] == "one"
    with pytest.raises(ClientError, match="can't be accessed"):
        account.start("two", Media={"MediaFileUri": "s3://media/none.wav"})
    account.s3.close()
    account.transcribe.close()


def test_its_server_expects_bodies_and_says_what_it_cannot_do(in_benchmarks: Endpoint) -> None:
    fault = b'[{"kind": "timeout", "operation": "HeadBucket"}]'
    head = (
        f"PUT /{BUCKET}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    address = (in_benchmarks.host, in_benchmarks.port)
    with socket.create_connection(address, timeout=DEADLINE) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(b"sound")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    with closing(HTTPConnection(*address, timeout=DEADLINE)) as connection:
        connection.request("POST", "/_localaws/faults", fault)
        connection.getresponse().read()
        connection.request("GET", f"/{BUCKET}/k")
        assert connection.getresponse().read() == b"sound"
        connection.request("HEAD", f"/{BUCKET}")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (501, b"")


def _md5(data: bytes) -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def started(s3: Any, key: str, **options: Any) -> str:
    upload_id: str = s3.create_multipart_upload(Bucket=BUCKET, Key=key, **options)["UploadId"]
    return upload_id


def put_part(s3: Any, key: str, upload: str, number: int, body: bytes) -> str:
    answer = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=body)
    etag: str = answer["ETag"]
    return etag
