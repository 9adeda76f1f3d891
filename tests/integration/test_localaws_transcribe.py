"""Amazon Transcribe as boto3 sees it, without recognition: states, paging, quotas, errors."""

# ruff: noqa: S310 - the only URLs opened are those of our own endpoint

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.emulator.server import serve
from tests.support.account import UNLIMITED, Account, client
from tests.support.waiting import until

ROLE = "arn:aws:iam::123456789012:role/Transcribe"


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    """An account; parametrize indirectly with arguments of serve()."""
    options = {"recogniser": "fixed:0", "quota": UNLIMITED, **getattr(request, "param", {})}
    with serve(buckets=["media"], **options) as endpoint:
        account = Account(endpoint)
        yield account
        account.s3.close()
        account.transcribe.close()


def running(**options: Any) -> pytest.MarkDecorator:
    """An account whose jobs do not end while the test runs."""
    options = {"recogniser": "fixed:600", **options}
    return pytest.mark.parametrize("account", [options], indirect=True)


def test_a_job_starts_in_progress_and_completes_with_a_document(account: Account) -> None:
    before = time.time()
    started = account.start("one", Tags=[{"Key": "team", "Value": "a"}])

    assert started["TranscriptionJobStatus"] == "IN_PROGRESS"
    assert "Transcript" not in started
    job = account.ended("one")
    assert job["TranscriptionJobStatus"] == "COMPLETED"
    assert job["Media"] == {"MediaFileUri": "s3://media/a.wav"}
    assert job["Tags"] == [{"Key": "team", "Value": "a"}]
    times = [job[name].timestamp() for name in ("CreationTime", "StartTime", "CompletionTime")]
    assert sorted(times) == times
    assert before - 1 < times[0] < time.time() + 1
    uri = job["Transcript"]["TranscriptFileUri"]
    assert uri == f"{account.endpoint.url}/media/out/one.json"
    document = json.loads(account.read("out/one.json"))
    assert document["jobName"] == "one"
    assert document["results"]["transcripts"][0]["transcript"] == (
        "[localaws fixed recogniser: no speech was recognised; job one]"
    )


@pytest.mark.parametrize("account", [{"recogniser": "fixed:0.4"}], indirect=True)
def test_the_fixed_recogniser_ends_jobs_after_its_time(account: Account) -> None:
    account.start("one")

    job = account.ended("one")

    assert 0.4 <= (job["CompletionTime"] - job["StartTime"]).total_seconds() < 60


def test_the_service_leaves_its_access_check_beside_the_document(account: Account) -> None:
    account.start("one", OutputKey="a/b/one.json")

    assert account.read("a/b/.write_access_check_file.temp") == b""


def test_subtitles_are_written_beside_the_document(account: Account) -> None:
    account.start("one", Subtitles={"Formats": ["srt", "vtt"], "OutputStartIndex": 1})

    subtitles = account.ended("one")["Subtitles"]

    assert subtitles["OutputStartIndex"] == 1
    assert subtitles["SubtitleFileUris"] == [
        f"{account.endpoint.url}/media/out/one.srt",
        f"{account.endpoint.url}/media/out/one.vtt",
    ]
    assert account.read("out/one.srt").startswith(b"1\n00:00:00,000 -->")
    assert account.read("out/one.vtt").startswith(b"WEBVTT\n\n1\n00:00:00.000 -->")


def test_without_an_output_bucket_the_transcript_is_behind_a_link(account: Account) -> None:
    account.transcribe.start_transcription_job(
        TranscriptionJobName="one",
        Media={"MediaFileUri": "s3://media/a.wav"},
        LanguageCode="en-US",
    )
    job = account.ended("one")

    with urlopen(job["Transcript"]["TranscriptFileUri"]) as answer:
        assert json.load(answer)["jobName"] == "one"
    (summary,) = account.transcribe.list_transcription_jobs()["TranscriptionJobSummaries"]
    assert summary["OutputLocationType"] == "SERVICE_BUCKET"


def test_a_name_is_unique_until_its_job_is_deleted(account: Account) -> None:
    account.start("one")

    assert_refused("ConflictException", account.start, "one")
    account.ended("one")
    assert_refused("ConflictException", account.start, "one")
    account.delete(TranscriptionJobName="one")
    account.start("one")


@pytest.mark.parametrize(
    "options",
    [
        {"Media": {"MediaFileUri": "s3://media/missing.wav"}},
        {"Media": {"MediaFileUri": "s3://no-such-bucket/a.wav"}},
        {"OutputBucketName": "no-such-bucket"},
        {"IdentifyLanguage": True, "LanguageCode": "en-US"},
        {"Settings": {"ShowSpeakerLabels": True}},
    ],
)
def test_what_cannot_be_done_is_refused_at_once(account: Account, options: dict[str, Any]) -> None:
    message = assert_refused("BadRequestException", account.start, "one", **options)

    assert len(message) > 20
    assert account.list() == []


def test_the_server_validates_what_a_client_does_not(account: Account) -> None:
    unchecked = client("transcribe", account.endpoint.url, parameter_validation=False)

    for request in (
        {},
        {"TranscriptionJobName": "x y", "Media": {}},
        {"Media": {"MediaFileUri": 5}},
    ):
        assert_refused("BadRequestException", unchecked.start_transcription_job, **request)
    unchecked.close()


def test_unknown_jobs_answer_as_the_real_service_does(account: Account) -> None:
    for call in (account.transcribe.get_transcription_job, account.delete):
        assert_refused("BadRequestException", call, TranscriptionJobName="none")


@running()
def test_a_running_job_cannot_be_deleted(account: Account) -> None:
    account.start("one")

    assert_refused("BadRequestException", account.delete, TranscriptionJobName="one")
    assert account.get("one")["TranscriptionJobStatus"] == "IN_PROGRESS"


def test_a_deleted_job_is_gone_and_its_document_is_not(account: Account) -> None:
    account.start("one")
    account.ended("one")

    account.delete(TranscriptionJobName="one")

    assert_refused("BadRequestException", account.get, "one")
    assert account.list() == []
    assert account.read("out/one.json")


def test_lists_are_newest_first_five_at_a_time_and_pages_do_not_overlap(account: Account) -> None:
    names = [f"job-{n:02}" for n in range(12)]
    for name in names:
        account.start(name)
    assert account.list() == names[:-6:-1]

    pages: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = account.transcribe.list_transcription_jobs(MaxResults=5, **token)
        pages += [job["TranscriptionJobName"] for job in page["TranscriptionJobSummaries"]]
        if "NextToken" not in page:
            break
        # A job that begins between two pages must not move the second.
        account.start(f"late-{len(pages)}")
        token = {"NextToken": page["NextToken"]}

    assert pages == names[::-1]
    assert_refused("BadRequestException", account.list, NextToken="invented")
    assert_refused("BadRequestException", account.list, MaxResults=101)


@running()
def test_lists_filter_by_state_and_by_part_of_the_name(account: Account) -> None:
    for name in ("Alpha", "beta", "ALPHABET"):
        account.start(name)

    assert account.list(JobNameContains="alpha") == ["ALPHABET", "Alpha"]
    assert account.list(Status="IN_PROGRESS", MaxResults=2) == ["ALPHABET", "beta"]
    assert account.list(Status="FAILED") == []
    assert account.list(Status="COMPLETED") == []
    page = account.transcribe.list_transcription_jobs(Status="IN_PROGRESS", MaxResults=1)
    assert page["Status"] == "IN_PROGRESS"
    (summary,) = page["TranscriptionJobSummaries"]
    assert summary["OutputLocationType"] == "CUSTOMER_BUCKET"
    assert summary.keys().isdisjoint({"Transcript", "Media"})


def test_tags_are_shown(account: Account) -> None:
    account.start("one", Tags=[{"Key": "a", "Value": "1"}])

    assert account.get("one")["Tags"] == [{"Key": "a", "Value": "1"}]


@running(quota=f"{UNLIMITED},jobs=2")
def test_more_jobs_than_the_quota_are_refused(account: Account) -> None:
    account.start("one")
    account.start("two")

    message = assert_refused("LimitExceededException", account.start, "three")

    assert "2 transcription jobs" in message
    assert account.list() == ["two", "one"]


@pytest.mark.parametrize(
    "account", [{"recogniser": "fixed:0.3", "quota": f"{UNLIMITED},jobs=1"}], indirect=True
)
def test_deferred_jobs_wait_until_others_end(account: Account) -> None:
    deferred = {"AllowDeferredExecution": True, "DataAccessRoleArn": ROLE}
    states = [
        account.start(f"job{n}", JobExecutionSettings=deferred)["TranscriptionJobStatus"]
        for n in range(3)
    ]

    assert states == ["IN_PROGRESS", "QUEUED", "QUEUED"]
    jobs = [account.ended(f"job{n}") for n in range(3)]
    assert all(job["TranscriptionJobStatus"] == "COMPLETED" for job in jobs)
    for earlier, later in pairwise(jobs):
        assert later["StartTime"] >= earlier["CompletionTime"]
    assert account.admin()["max_running"] == 1


@pytest.mark.parametrize("account", [{"quota": ""}], indirect=True)
def test_by_default_the_rates_are_a_new_accounts(account: Account) -> None:
    codes = []
    for _ in range(12):
        try:
            account.list()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            codes.append((error.response["Error"]["Code"], status))

    assert set(codes) == {("ThrottlingException", 400)}
    # A loaded machine may be slow enough to earn another token or two.
    assert 3 <= len(codes) <= 7
    assert account.admin()["calls"]["ListTranscriptionJobs"] == {
        "count": 12,
        "refused": len(codes),
    }


def test_unknown_and_unsupported_operations_get_an_error_of_the_service(account: Account) -> None:
    assert_refused("UnknownOperationException", account.transcribe.list_vocabularies)
    for target in ("Transcribe.Dance", "Transcribe."):
        request = Request(account.endpoint.url, b"{}", {"X-Amz-Target": target})
        status, body = raw(request)
        assert (status, body["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize("body", [b"no json", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(account: Account, body: bytes) -> None:
    headers = {"X-Amz-Target": "Transcribe.GetTranscriptionJob"}

    status, answer = raw(Request(account.endpoint.url, body, headers))

    assert (status, answer["__type"]) == (400, "SerializationException")


def raw(request: Request) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(request) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_boto3_still_speaks_json_to_transcribe(account: Account) -> None:
    seen = []
    account.transcribe.meta.events.register(
        "before-send.transcribe", lambda request, **_: seen.append(request.headers)
    )

    account.list()

    assert seen[0]["Content-Type"] == b"application/x-amz-json-1.1"
    assert seen[0]["X-Amz-Target"] == b"Transcribe.ListTranscriptionJobs"


def test_the_waiter_of_botocore_works(account: Account) -> None:
    account.start("one")

    waiter = account.transcribe.get_waiter("transcription_job_completed")
    waiter.wait(TranscriptionJobName="one", WaiterConfig={"Delay": 1, "MaxAttempts": 10})


def test_of_many_concurrent_starts_of_one_name_one_succeeds(account: Account) -> None:
    outcomes: list[str] = []
    together = threading.Barrier(16)

    def start() -> None:
        together.wait()
        try:
            outcomes.append(account.start("same")["TranscriptionJobStatus"])
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["ConflictException"] * 15 + ["IN_PROGRESS"]


def test_64_clients_at_once_start_every_job_once(account: Account) -> None:
    transcribe = client("transcribe", account.endpoint.url, max_pool_connections=64)
    errors: list[Exception] = []
    together = threading.Barrier(64)

    def start(number: int) -> None:
        together.wait()
        try:
            for each in range(4):
                transcribe.start_transcription_job(
                    TranscriptionJobName=f"job-{number}-{each}",
                    Media={"MediaFileUri": "s3://media/a.wav"},
                    LanguageCode="en-US",
                    OutputBucketName="media",
                )
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    transcribe.close()

    assert errors == []
    until(lambda: account.admin()["running"] == 0)
    jobs = account.admin()
    assert jobs["accepted"] == 256
    assert {job["status"] for job in jobs["jobs"]} == {"COMPLETED"}
    assert len({job["name"] for job in jobs["jobs"]}) == 256


def test_many_fixed_jobs_need_no_thread_and_no_process_each(account: Account) -> None:
    threads = threading.active_count()
    for number in range(300):
        account.start(f"job{number}")

    assert threading.active_count() <= threads + 2
    assert psutil.Process().children() == []
    until(lambda: account.admin()["running"] == 0)


def test_nothing_is_left_after_the_end() -> None:
    threads = set(threading.enumerate())
    with serve(recogniser="fixed:600", buckets=["media"], quota=UNLIMITED) as endpoint:
        account = Account(endpoint)
        account.start("one")
        account.s3.close()
    account.transcribe.close()

    assert set(threading.enumerate()) <= threads
    with serve(recogniser="fixed:0") as endpoint:
        assert client("s3", endpoint.url).list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    "options",
    [
        {"recogniser": "fixed"},
        {"recogniser": "fixed:-1"},
        {"recogniser": "whisper"},
        {"workers": 0},
        {"quota": "jobs=many"},
        {"recogniser": "fixed:0", "buckets": ["No!"]},
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"), serve(**options):
        pass


def assert_refused(code: str, call: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(*args, **options)
    error = caught.value.response["Error"]
    assert error["Code"] == code
    return error["Message"]
