"""S3 as boto3 sees it: moto's, and our own of `--light`, which must not be told apart."""

from __future__ import annotations

import hashlib
import io
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from localaws.server import Endpoint, serve
from tests.support.account import client
from tests.support.waiting import DEADLINE

BUCKET = "media"
PART = 5 * 1024 * 1024
ODD_KEYS = ["a b", "a+b", "a&b<c>", "grüße/ß", "per%20cent", "quo'te\"s"]


@pytest.fixture(params=[False, True], ids=["moto", "light"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    with serve(recogniser="fixed:0", buckets=[BUCKET], light=request.param) as served:
        yield served


@pytest.fixture
def light() -> Iterator[Endpoint]:
    with serve(recogniser="fixed:0", buckets=[BUCKET], light=True) as served:
        yield served


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


def test_buckets_are_created_found_and_located(s3: Any) -> None:
    s3.create_bucket(Bucket="another")

    assert {each["Name"] for each in s3.list_buckets()["Buckets"]} == {"another", BUCKET}
    assert s3.head_bucket(Bucket="another")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="another")["LocationConstraint"] is None


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


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_streamed_body_with_a_trailing_checksum_is_stored(
    endpoint: Endpoint, s3: Any, framing: str
) -> None:
    """As boto3 sends it over TLS, which localaws does not speak."""
    streamed = b"5\r\nsound\r\n3\r\n on\r\n0\r\nx-amz-checksum-crc32:g4g9yw==\r\n\r\n"
    if framing == "length":
        length, body = f"Content-Length: {len(streamed)}", streamed
    else:
        length = "Transfer-Encoding: chunked"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(streamed), streamed)
    head = (
        f"PUT /{BUCKET}/streamed HTTP/1.1\r\nHost: {endpoint.host}:{endpoint.port}\r\n"
        f"Expect: 100-continue\r\n{length}\r\nContent-Encoding: aws-chunked\r\n"
        "X-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"
        "X-Amz-Trailer: x-amz-checksum-crc32\r\nX-Amz-Decoded-Content-Length: 8\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=t/20260101/us-east-1/s3/aws4_request, x\r\n\r\n"
    )
    with socket.create_connection((endpoint.host, endpoint.port), timeout=DEADLINE) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")

    assert s3.get_object(Bucket=BUCKET, Key="streamed")["Body"].read() == b"sound on"


def test_many_clients_at_once_get_each_their_own(endpoint: Endpoint, s3: Any) -> None:
    def round_trip(number: int) -> bool:
        body = str(number).encode() * 1000
        s3.put_object(Bucket=BUCKET, Key=f"k{number}", Body=body)
        return bool(s3.get_object(Bucket=BUCKET, Key=f"k{number}")["Body"].read() == body)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, range(100)))


def test_light_refuses_what_it_does_not_know(light: Endpoint) -> None:
    s3 = client("s3", light.url)
    with pytest.raises(ClientError) as error:
        s3.put_object_tagging(Bucket=BUCKET, Key="k", Tagging={"TagSet": []})
    with pytest.raises(ClientError) as delimited:
        s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    s3.close()

    assert code(error) == code(delimited) == ("NotImplemented", 501)


def test_light_answers_requests_that_come_in_pieces_and_several_at_once(
    light: Endpoint,
) -> None:
    request = b"GET /_localaws/health HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((light.host, light.port), timeout=DEADLINE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.sendall(bytes([byte]))
        connection.sendall(request * 2)
        answers = b""
        while answers.count(b'"ok"') < 3:
            answers += connection.recv(1000)

    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 3


def test_light_hangs_up_on_what_is_not_http(light: Endpoint) -> None:
    with socket.create_connection((light.host, light.port), timeout=DEADLINE) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(1000) == b""


def _md5(data: bytes) -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def started(s3: Any, key: str, **options: Any) -> str:
    upload_id: str = s3.create_multipart_upload(Bucket=BUCKET, Key=key, **options)["UploadId"]
    return upload_id


def put_part(s3: Any, key: str, upload: str, number: int, body: bytes) -> str:
    answer = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=body)
    etag: str = answer["ETag"]
    return etag
