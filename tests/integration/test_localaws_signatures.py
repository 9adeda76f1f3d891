# ruff: noqa: S310 - our own endpoint
"""With a key pair of its own, the emulator answers only requests that it has signed."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.http.signatures import Credentials
from localaws.server import Endpoint
from tests.emulator.server import serve
from tests.support.waiting import until

OURS = Credentials("LOCALAWSKEY", "a+secret/of=ours")
SILENCE = Path(__file__).parents[2] / "samples" / "silence.wav"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Endpoint]:
    with serve(recogniser="fixed:0", buckets=["media"], credentials=OURS) as endpoint:
        yield endpoint


def client(
    service: str, endpoint: Endpoint, key_id: str = OURS.access_key_id, secret: str = ""
) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret or OURS.secret_access_key,
        config=Config(signature_version="s3v4") if service == "s3" else None,
    )


def status(request: Request | str) -> int:
    try:
        with urlopen(request) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize(
    "key", ["plain.wav", "a b+c/ü~(1)&=%41.wav", "two//slashes.wav", "dots/../here.wav"]
)
def test_signed_requests_are_answered_for_every_kind_of_key(guarded: Endpoint, key: str) -> None:
    with closing(client("s3", guarded)) as s3:
        s3.put_object(Bucket="media", Key=key, Body=b"sound", Metadata={"a-b": "x  y"})
        assert s3.head_object(Bucket="media", Key=key)["ContentLength"] == 5
        answer = s3.get_object(Bucket="media", Key=key, Range="bytes=1-2")
        assert answer["Body"].read() == b"ou"
        listed = s3.list_objects_v2(Bucket="media", Prefix=key)["Contents"]
        assert [each["Key"] for each in listed] == [key]
        link = s3.generate_presigned_url("get_object", {"Bucket": "media", "Key": key})
        with urlopen(link) as got:
            assert got.read() == b"sound"
        s3.delete_object(Bucket="media", Key=key)


def test_uploads_in_parts_and_the_other_services_are_answered(guarded: Endpoint) -> None:
    with closing(client("s3", guarded)) as s3:
        upload = {"Bucket": "media", "Key": "parts.wav"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        part = s3.upload_part(**upload, PartNumber=1, Body=b"sound")
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert s3.head_object(Bucket="media", Key="parts.wav")["ContentLength"] == 5
    with closing(client("sts", guarded)) as sts:
        assert sts.get_caller_identity()["Account"] == "123456789012"
    with closing(client("service-quotas", guarded)) as quotas:
        assert quotas.list_service_quotas(ServiceCode="transcribe")["Quotas"]


@pytest.mark.parametrize(
    ("key_id", "secret", "codes"),
    [
        ("test", "", ("InvalidAccessKeyId", "UnrecognizedClientException", "InvalidClientTokenId")),
        (
            OURS.access_key_id,
            "guessed",
            ("SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch"),
        ),
    ],
    ids=["key", "secret"],
)
def test_another_pair_is_refused_in_the_words_of_each_service(
    guarded: Endpoint, key_id: str, secret: str, codes: tuple[str, str, str]
) -> None:
    calls: list[tuple[str, Callable[[Any], Any]]] = [
        ("s3", lambda s3: s3.list_objects_v2(Bucket="media")),
        ("transcribe", lambda transcribe: transcribe.list_transcription_jobs()),
        ("sts", lambda sts: sts.get_caller_identity()),
    ]
    for (service, call), code in zip(calls, codes, strict=True):
        with closing(client(service, guarded, key_id, secret)) as wrong:
            with pytest.raises(ClientError) as caught:
                call(wrong)
            assert caught.value.response["Error"]["Code"] == code


def test_unsigned_requests_are_refused(guarded: Endpoint) -> None:
    with closing(client("s3", guarded)) as s3:
        s3.put_object(Bucket="media", Key="mine.wav", Body=b"sound")
    assert status(f"{guarded.url}/media/mine.wav") == 403
    assert status(Request(f"{guarded.url}/media/mine.wav", b"other", method="PUT")) == 403
    assert status(Request(f"{guarded.url}/media/mine.wav", method="DELETE")) == 403
    listing = {"X-Amz-Target": "Transcribe.ListTranscriptionJobs"}
    assert status(Request(guarded.url, b"{}", listing)) == 400
    # A name that a signature may have, and no signature.
    forged = f"AWS4-HMAC-SHA256 Credential={OURS.access_key_id}/20260101/us-east-1/s3/aws4_request"
    assert (
        status(Request(f"{guarded.url}/media/mine.wav", headers={"Authorization": forged})) == 403
    )
    with closing(client("s3", guarded)) as s3:
        assert s3.get_object(Bucket="media", Key="mine.wav")["Body"].read() == b"sound"


def test_a_link_opens_what_it_is_for_and_not_for_ever(guarded: Endpoint) -> None:
    with closing(client("s3", guarded)) as s3:
        for key in ("mine.wav", "other.wav"):
            s3.put_object(Bucket="media", Key=key, Body=b"sound")
        what = {"Bucket": "media", "Key": "mine.wav"}
        link = s3.generate_presigned_url("get_object", what)
        short = s3.generate_presigned_url("get_object", what, ExpiresIn=1)
    assert status(link) == 200
    assert status(link.replace("mine.wav", "other.wav")) == 403
    assert status(Request(link, method="DELETE")) == 403
    assert status(link.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000")) == 403
    until(lambda: status(short) == 403, what="the end of a link")


def test_a_transcript_in_the_services_own_bucket_has_a_link(guarded: Endpoint) -> None:
    with closing(client("s3", guarded)) as s3:
        s3.put_object(Bucket="media", Key="silence.wav", Body=SILENCE.read_bytes())
    with closing(client("transcribe", guarded)) as transcribe:
        transcribe.start_transcription_job(
            TranscriptionJobName="mine",
            LanguageCode="en-US",
            Media={"MediaFileUri": "s3://media/silence.wav"},
        )

        def job() -> dict[str, Any]:
            found = transcribe.get_transcription_job(TranscriptionJobName="mine")
            return dict(found["TranscriptionJob"])

        until(lambda: job()["TranscriptionJobStatus"] == "COMPLETED")
        link = job()["Transcript"]["TranscriptFileUri"]
    with urlopen(link) as answer:
        assert json.load(answer)["jobName"] == "mine"
    assert status(link.partition("?")[0]) == 403


def test_the_administration_wants_the_pair_too(guarded: Endpoint) -> None:
    faults = f"{guarded.url}/_localaws/faults"
    body = json.dumps([{"kind": "error500", "operation": "ListBuckets", "times": 1}]).encode()
    pair = f"{OURS.access_key_id}:{OURS.secret_access_key}"
    for wrong in ("", "test:test", f"{OURS.access_key_id}:guessed"):
        headers = {"Authorization": f"Basic {b64encode(wrong.encode()).decode()}"}
        for url in (
            faults,
            f"{guarded.url}/_localaws/jobs",
            f"{guarded.url}/{quote('_localaws')}/jobs",
        ):
            assert status(Request(url, headers=headers)) == 401
        assert status(Request(faults, body, headers)) == 401
    for malformed in ("Basic", "Basic no-base64", "Bearer x"):
        assert status(Request(faults, headers={"Authorization": malformed})) == 401
    headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    with urlopen(Request(faults, headers=headers)) as answer:
        assert json.load(answer) == []
    # Whether it is up, anybody may know.
    assert status(f"{guarded.url}/_localaws/health") == 200


@pytest.mark.parametrize("name", ["LOCALAWS_ACCESS_KEY_ID", "LOCALAWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Set both"):
        Credentials.from_environment({name: "x"})
    assert Credentials.from_environment({}) is None
    assert OURS.secret_access_key not in repr(OURS)
