"""S3 and STS beside Transcribe, and misbehaviour on request."""

# ruff: noqa: S310 - the only URLs opened are those of our own endpoint

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from localaws.http.server import Application
from localaws.s3.moto_objects import MotoStore
from localaws.s3.objects import ObjectStore
from localaws.server import Endpoint, moto
from tests.emulator.faults import Fault
from tests.emulator.server import serve
from tests.support.account import UNLIMITED, client
from tests.support.waiting import until

MEDIA = {"MediaFileUri": "s3://media/a.wav"}


class Account:
    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        self.s3 = client("s3", self.url)
        self.transcribe = client("transcribe", self.url)
        self.s3.put_object(Bucket="media", Key="a.wav", Body=b"sound")

    def start(self, name: str) -> None:
        self.transcribe.start_transcription_job(
            TranscriptionJobName=name, Media=MEDIA, LanguageCode="en-US", OutputBucketName="media"
        )

    def fault(self, **fault: Any) -> None:
        self.admin("POST", "faults", [fault])

    def admin(self, method: str, path: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        with urlopen(Request(f"{self.url}/_localaws/{path}", body, method=method)) as answer:
            return json.load(answer)


@pytest.fixture
def account() -> Iterator[Account]:
    with serve(recogniser="fixed:600", quota=UNLIMITED, buckets=["media"]) as endpoint:
        account = Account(endpoint)
        yield account
        account.s3.close()
        account.transcribe.close()


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_health(account: Account) -> None:
    assert account.admin("GET", "health") == {"status": "ok"}


def test_s3_and_sts_are_there_on_the_same_port(account: Account) -> None:
    content = os.urandom(12_000_000)
    account.s3.upload_fileobj(
        BytesIO(content), "media", "big ü.bin", Config=TransferConfig(multipart_threshold=6_000_000)
    )

    assert account.s3.get_object(Bucket="media", Key="big ü.bin")["Body"].read() == content
    part = account.s3.get_object(Bucket="media", Key="big ü.bin", Range="bytes=5-8")
    assert part["Body"].read() == content[5:9]
    keys = account.s3.list_objects_v2(Bucket="media")["Contents"]
    assert [each["Key"] for each in keys] == ["a.wav", "big ü.bin"]
    account.s3.delete_object(Bucket="media", Key="a.wav")
    with pytest.raises(ClientError) as caught:
        account.s3.head_object(Bucket="media", Key="a.wav")
    assert code_of(caught) == ("404", 404)
    sts = client("sts", account.url)
    assert sts.get_caller_identity()["Account"] == "123456789012"
    sts.close()


def test_a_connection_stays_open_even_when_a_body_was_not_read(account: Account) -> None:
    account.fault(operation="PutObject", kind="access_denied")
    link = account.s3.generate_presigned_url("put_object", {"Bucket": "media", "Key": "b.wav"})
    target = {"X-Amz-Target": "Transcribe.ListTranscriptionJobs"}
    requests = [
        ("PUT", link.removeprefix(account.url), b"x" * 3_000_000, {}, 403),
        ("POST", "/", b"{}", target, 200),
        ("GET", "/media/none", b"", {}, 404),
        ("HEAD", "/media/none", b"", {}, 404),
        ("GET", "/_localaws/health", b"", {}, 200),
    ]
    connection = HTTPConnection(account.url.removeprefix("http://"))
    connection.connect()
    socket = connection.sock

    for method, path, body, headers, status in requests:
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            answer.read()
            assert answer.status == status
        assert connection.sock is socket
    connection.close()


def test_a_presigned_link_works(account: Account) -> None:
    link = account.s3.generate_presigned_url("get_object", {"Bucket": "media", "Key": "a.wav"})

    with urlopen(link) as answer:
        assert answer.read() == b"sound"


@pytest.mark.parametrize(
    ("kind", "transcribe", "s3"),
    [
        ("throttle", ("ThrottlingException", 400), ("SlowDown", 503)),
        ("limit", ("LimitExceededException", 400), ("SlowDown", 503)),
        ("error500", ("InternalFailureException", 500), ("InternalError", 500)),
        ("expired_token", ("ExpiredTokenException", 400), ("ExpiredToken", 400)),
        ("access_denied", ("AccessDeniedException", 400), ("AccessDenied", 403)),
    ],
)
def test_each_fault_refuses_in_the_words_of_its_service(
    account: Account, kind: str, transcribe: tuple[str, int], s3: tuple[str, int]
) -> None:
    account.fault(operation="StartTranscriptionJob", kind=kind, times=1)
    account.fault(operation="PutObject", kind=kind, times=1, match=r"\.flac$")

    with pytest.raises(ClientError) as caught:
        account.start("one")
    assert code_of(caught) == transcribe
    account.start("one")
    account.s3.put_object(Bucket="media", Key="b.wav", Body=b"x" * 100_000)
    with pytest.raises(ClientError) as caught:
        account.s3.put_object(Bucket="media", Key="b.flac", Body=b"x" * 100_000)
    assert code_of(caught) == s3
    account.s3.put_object(Bucket="media", Key="b.flac", Body=b"x" * 100_000)
    calls = account.admin("GET", "jobs")["calls"]
    assert calls["StartTranscriptionJob"] == {"count": 2, "refused": 1}
    assert calls["PutObject"] == {"count": 4, "refused": 1}


def test_a_refused_start_starts_nothing_and_one_that_fails_afterwards_does(
    account: Account,
) -> None:
    account.fault(operation="StartTranscriptionJob", kind="error500", times=1)
    with pytest.raises(ClientError):
        account.start("before")
    account.fault(operation="StartTranscriptionJob", kind="error500_after", times=1)
    with pytest.raises(ClientError) as caught:
        account.start("after")

    assert code_of(caught) == ("InternalFailureException", 500)
    assert [job["name"] for job in account.admin("GET", "jobs")["jobs"]] == ["after"]
    with pytest.raises(ClientError) as caught:
        account.start("after")
    assert code_of(caught)[0] == "ConflictException"


def test_an_object_put_before_its_error_is_there(account: Account) -> None:
    account.fault(operation="PutObject", kind="error500_after", times=1)

    with pytest.raises(ClientError):
        account.s3.put_object(Bucket="media", Key="b.wav", Body=b"there")

    assert account.s3.get_object(Bucket="media", Key="b.wav")["Body"].read() == b"there"


def test_a_timeout_drops_the_connection_and_the_next_call_works(account: Account) -> None:
    account.fault(operation="GetTranscriptionJob", kind="timeout", times=1)
    account.fault(operation="GetTranscriptionJob", kind="timeout", times=1, seconds=600)
    account.start("one")

    with pytest.raises(ConnectionClosedError):
        account.transcribe.get_transcription_job(TranscriptionJobName="one")
    impatient = client("transcribe", account.url, read_timeout=0.3)
    with pytest.raises(ReadTimeoutError):
        impatient.get_transcription_job(TranscriptionJobName="one")
    impatient.close()
    account.transcribe.get_transcription_job(TranscriptionJobName="one")


def test_an_answer_may_be_lost_after_the_work(account: Account) -> None:
    account.fault(operation="StartTranscriptionJob", kind="timeout_after", times=1)

    with pytest.raises(ConnectionClosedError):
        account.start("one")

    assert [job["name"] for job in account.admin("GET", "jobs")["jobs"]] == ["one"]


def test_the_services_own_writes_meet_no_fault(account: Account) -> None:
    account.fault(operation="PutObject", kind="access_denied")

    account.start("one")

    assert account.s3.head_object(Bucket="media", Key=".write_access_check_file.temp")


def test_sts_can_be_refused_too(account: Account) -> None:
    account.fault(operation="GetCallerIdentity", kind="access_denied")
    sts = client("sts", account.url)

    with pytest.raises(ClientError) as caught:
        sts.get_caller_identity()

    assert code_of(caught) == ("AccessDenied", 403)
    sts.close()


def test_cleared_faults_happen_no_more(account: Account) -> None:
    account.fault(kind="error500")
    account.admin("DELETE", "faults")

    account.start("one")


def test_faults_are_replaced_by_others(account: Account) -> None:
    account.fault(kind="error500")
    account.admin("PUT", "faults", [{"kind": "access_denied", "operation": "Start*"}])

    with pytest.raises(ClientError) as caught:
        account.start("one")

    assert code_of(caught)[0] == "AccessDeniedException"


def test_a_call_that_a_fault_delays_ends_with_the_faults(account: Account) -> None:
    account.fault(operation="GetTranscriptionJob", kind="timeout", seconds=600)
    account.start("one")
    with ThreadPoolExecutor(1) as threads:
        calling = threads.submit(
            account.transcribe.get_transcription_job, TranscriptionJobName="one"
        )
        until(lambda: account.admin("GET", "account")["calls"].get("GetTranscriptionJob"))
        assert not calling.done()
        account.admin("DELETE", "faults")
        assert isinstance(calling.exception(), ConnectionClosedError)


def test_a_job_whose_bucket_is_gone_fails() -> None:
    with serve(recogniser="fixed:0", quota=UNLIMITED, buckets=["media"]) as endpoint:
        account = Account(endpoint)
        account.fault(kind="stuck")
        account.start("one")
        account.s3.delete_object(Bucket="media", Key="a.wav")
        account.s3.delete_object(Bucket="media", Key=".write_access_check_file.temp")
        account.s3.delete_bucket(Bucket="media")
        account.admin("DELETE", "faults")
        until(lambda: not account.admin("GET", "jobs")["running"])
        (job,) = account.admin("GET", "jobs")["jobs"]
        account.s3.close()
        account.transcribe.close()

    assert job["status"] == "FAILED"
    assert job["failure_reason"] == (
        "The transcript could not be written. The bucket media cannot be written."
    )


class FullDisk(MotoStore):
    """S3 in this process, with no room for results."""

    def write(
        self, bucket: str, key: str, body: bytes, content_type: str, kms_key: str | None = None
    ) -> None:
        if key.endswith(".json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(bucket, key, body, content_type, kms_key)


class UnreadableDisk(MotoStore):
    """S3 in this process, whose disk fails as a recording is read for its recognition."""

    def read(self, bucket: str, key: str) -> bytes | None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), f"{bucket}/{key}")


def ended_one_by_one(store: ObjectStore, recogniser: str, *names: str) -> list[dict[str, Any]]:
    """Run jobs in an account of one slot, each once the one before has freed it."""

    def backend() -> tuple[ObjectStore, Application]:
        return store, moto()[1]

    with serve(
        recogniser=recogniser,
        quota="jobs=1,start=off,get=off,list=off,delete=off",
        buckets=["media"],
        backend=backend,
    ) as endpoint:
        account = Account(endpoint)
        for name in names:
            account.start(name)
            until(lambda: not account.admin("GET", "jobs")["running"])
        jobs: list[dict[str, Any]] = account.admin("GET", "jobs")["jobs"]
        account.s3.close()
        account.transcribe.close()
    return jobs


def test_a_result_that_cannot_be_written_fails_its_job_and_frees_its_slot() -> None:
    jobs = ended_one_by_one(FullDisk(), "fixed:0.1", "one", "two")
    assert [job["status"] for job in jobs] == ["FAILED", "FAILED"]
    assert "No space left on device" in jobs[0]["failure_reason"]


def test_a_recording_that_cannot_be_read_fails_its_job_and_frees_its_slot() -> None:
    jobs = ended_one_by_one(UnreadableDisk(), "pocketsphinx", "one")
    assert [job["status"] for job in jobs] == ["FAILED"]
    assert "Input/output error" in jobs[0]["failure_reason"]


def test_a_fault_fails_jobs() -> None:
    fault = Fault("fail", match="^bad", reason="Internal failure of the test.")
    with serve(
        recogniser="fixed:0", quota=UNLIMITED, buckets=["media"], faults=[fault]
    ) as endpoint:
        account = Account(endpoint)
        account.start("bad-one")
        account.start("good-one")
        until(lambda: not account.admin("GET", "jobs")["running"])
        jobs = account.admin("GET", "jobs")
        account.s3.close()
        account.transcribe.close()

    assert [(job["status"], job["failure_reason"]) for job in jobs["jobs"]] == [
        ("FAILED", "Internal failure of the test."),
        ("COMPLETED", None),
    ]


def ended(account: Account, *names: str) -> None:
    """Wait until these jobs have ended."""

    def all_have() -> bool:
        jobs = account.admin("GET", "jobs")["jobs"]
        return all(job["completed"] for job in jobs if job["name"] in names)

    until(all_have)


@pytest.fixture
def quick() -> Iterator[Account]:
    """An account whose jobs end at once."""
    with serve(recogniser="fixed:0", quota=UNLIMITED, buckets=["media"]) as endpoint:
        account = Account(endpoint)
        yield account
        account.s3.close()
        account.transcribe.close()


def document(account: Account, name: str) -> bytes | None:
    try:
        return bytes(account.s3.get_object(Bucket="media", Key=f"{name}.json")["Body"].read())
    except account.s3.exceptions.NoSuchKey:
        return None


@pytest.mark.parametrize(
    ("kind", "spoilt"),
    [("no_result", None), ("truncated_result", b'{"jobName": "'), ("not_json", b"<html>")],
)
def test_the_document_of_a_job_can_be_spoilt_for_good_or_for_a_while(
    quick: Account, kind: str, spoilt: bytes | None
) -> None:
    quick.fault(kind=kind, match="^bad")
    quick.fault(kind=kind, match="^late", seconds=0.3)
    for name in ("bad", "late", "good"):
        quick.start(name)
    ended(quick, "bad", "late", "good")

    found = document(quick, "bad")
    assert found is None if spoilt is None else found is not None and found.startswith(spoilt)
    if found is not None:
        with pytest.raises(json.JSONDecodeError):
            json.loads(found)
    whole = len(document(quick, "good") or b"")
    until(lambda: len(document(quick, "late") or b"") == whole)
    for name in ("late", "good"):
        assert json.loads(document(quick, name) or b"")["jobName"] == name
    answer = quick.transcribe.get_transcription_job(TranscriptionJobName="bad")
    assert answer["TranscriptionJob"]["TranscriptionJobStatus"] == "COMPLETED"


def test_jobs_that_were_stuck_end_as_the_faults_say_that_come_instead(quick: Account) -> None:
    quick.fault(kind="stuck")
    quick.start("one")
    quick.start("two")
    fail = {"kind": "fail", "match": "^two$"}
    quick.admin("PUT", "faults", [{"kind": "stuck", "match": "^one$"}, fail])
    ended(quick, "two")

    jobs = quick.admin("GET", "jobs")["jobs"]
    assert {job["name"]: job["status"] for job in jobs} == {"one": "IN_PROGRESS", "two": "FAILED"}


def test_a_fault_deletes_a_job_as_it_ends(quick: Account) -> None:
    quick.fault(kind="delete_job", match="^gone")
    quick.start("gone")
    ended(quick, "gone")

    with pytest.raises(ClientError) as caught:
        quick.transcribe.get_transcription_job(TranscriptionJobName="gone")

    assert code_of(caught)[0] == "BadRequestException"
    assert document(quick, "gone") is not None


def test_a_job_that_is_stuck_runs_until_the_faults_are_cleared(quick: Account) -> None:
    quick.fault(kind="stuck", match="^stuck$")
    quick.start("stuck")
    quick.start("other")
    ended(quick, "other")
    assert quick.admin("GET", "account")["running"] == 1
    with pytest.raises(ClientError, match="can be deleted"):
        quick.transcribe.delete_transcription_job(TranscriptionJobName="stuck")
    quick.admin("DELETE", "faults")
    ended(quick, "stuck")
    assert json.loads(document(quick, "stuck") or b"")["jobName"] == "stuck"


def test_a_fault_loses_the_bucket(account: Account) -> None:
    account.fault(kind="lost_bucket")

    with pytest.raises(ClientError) as caught:
        account.s3.put_object(Bucket="media", Key="b.wav", Body=b"sound")
    assert code_of(caught) == ("NoSuchBucket", 404)
    with pytest.raises(ClientError) as caught:
        account.s3.head_bucket(Bucket="media")
    assert code_of(caught) == ("404", 404)
    with pytest.raises(ClientError) as caught:
        account.start("one")
    assert code_of(caught) == ("BadRequestException", 400)


def test_the_faults_that_remain_can_be_read(account: Account) -> None:
    account.fault(kind="error500", operation="PutObject", times=2)
    account.fault(kind="throttle", match="never")
    with pytest.raises(ClientError):
        account.s3.put_object(Bucket="media", Key="b.wav", Body=b"sound")

    left = account.admin("GET", "faults")

    assert [(fault["kind"], fault["times"]) for fault in left] == [
        ("error500", 1),
        ("throttle", None),
    ]


@pytest.mark.parametrize("value", [{}, [{"kind": "explode"}], [5], [{"kind": ["x"]}]])
def test_faults_that_make_no_sense_are_refused_with_a_sentence(
    account: Account, value: Any
) -> None:
    with pytest.raises(HTTPError) as caught:
        account.admin("POST", "faults", value)
    with caught.value as error:
        assert error.code == 400
        assert len(json.load(error)["error"]) > 20


def test_what_the_admin_does_not_know_is_not_found(account: Account) -> None:
    with pytest.raises(HTTPError) as caught:
        account.admin("GET", "nothing")
    with caught.value as error:
        assert error.code == 404
