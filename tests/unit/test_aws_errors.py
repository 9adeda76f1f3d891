"""What each error of AWS means for a job, and that one refused Start is one call."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore import exceptions as boto
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.stub import Stubber
from botocore.utils import parse_timestamp

from producer.contract.s3_uri import S3Uri
from worker.aws.answers import parse_time
from worker.aws.errors import (
    AlreadyExists,
    Denied,
    EmptyObject,
    NoBucket,
    NoCredentials,
    NotFound,
    Unreachable,
    classify,
)
from worker.aws.session import Aws
from worker.aws.transcribe import (
    Done,
    Failed,
    Running,
    Transcribe,
)
from worker.errors import Permanent, SlotsFull, StageError, Throttled, Transient
from worker.settings import WorkerSettings
from worker.stages.ownership import name_used

START: Any = {
    "TranscriptionJobName": "talk-1",
    "Media": {"MediaFileUri": "s3://in/talk.wav"},
    "LanguageCode": "en-US",
}
#: A gate that is open.
AT_ONCE = nullcontext
UNKNOWN_JOB = "The requested job couldn't be found. Check the job name and try your request again."


class Service:
    """The client under test, and the answers that it will get."""

    def __init__(self) -> None:
        client = boto3.client(
            "transcribe",
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.answers = Stubber(client)
        self.transcribe = Transcribe(client)

    def refuse(self, operation: str, code: str, text: str = "", status: int = 400) -> None:
        self.answers.add_client_error(operation, code, text, status)

    def caught(self, call: Callable[[], object]) -> StageError:
        with pytest.raises(StageError) as caught:
            call()
        assert isinstance(caught.value.__cause__, (ClientError, BotoCoreError))
        return caught.value


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with made.answers:
        yield made
    made.answers.assert_no_pending_responses()


def client_error(code: str, text: str = "It says why.", status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": text},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "AnyCall")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        *(
            (client_error(code, status=403), NoCredentials, "CredentialsRejected")
            for code in (
                "ExpiredToken",
                "ExpiredTokenException",
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "InvalidSignatureException",
                "InvalidToken",
                "RequestExpired",
                "RequestTimeTooSkewed",
                "SignatureDoesNotMatch",
                "UnrecognizedClientException",
            )
        ),
        (client_error("Throttling"), Throttled, "Throttling"),
        (client_error("ThrottlingException"), Throttled, "ThrottlingException"),
        (client_error("TooManyRequestsException", status=429), Throttled, "TooManyRequests"),
        (client_error("SlowDown", status=503), Throttled, "SlowDown"),
        (client_error("LimitExceededException"), Throttled, "LimitExceededException"),
        (client_error("ServiceQuotaExceededException"), Throttled, "ServiceQuotaExceeded"),
        (client_error("InternalFailureException", status=500), Transient, "AwsFailure"),
        (client_error("InternalFailureException", status=200), Transient, "AwsFailure"),
        (client_error("RequestTimeout"), Transient, "AwsFailure"),
        (client_error("", status=502), Transient, "AwsFailure"),
        (client_error("ServiceUnavailable", status=503), Transient, "AwsFailure"),
        (client_error("AccessDenied", status=403), Denied, "AccessDenied"),
        (client_error("AccessDeniedException"), Denied, "AccessDenied"),
        (client_error("403", "Forbidden", 403), Denied, "AccessDenied"),
        (client_error("NoSuchBucket", status=404), NoBucket, "NoSuchBucket"),
        (client_error("InvalidRange", status=416), EmptyObject, "InvalidRange"),
        (client_error("BadRequestException"), Permanent, "BadRequestException"),
        (client_error("BadRequestException", UNKNOWN_JOB), NotFound, "BadRequestException"),
        (client_error("NotFoundException"), NotFound, "NotFoundException"),
        (client_error("404", "Not Found", 404), Permanent, "404"),
        (client_error("ConflictException"), AlreadyExists, "ConflictException"),
        (client_error("PreconditionFailed", status=412), AlreadyExists, "PreconditionFailed"),
        (client_error("NoSuchUpload", status=404), Transient, "NoSuchUpload"),
        (
            client_error("ConditionalRequestConflict", status=409),
            Transient,
            "ConditionalRequestConflict",
        ),
        (client_error("NotImplemented", status=501), Transient, "NotImplemented"),
        (client_error("SomethingNew"), Permanent, "SomethingNew"),
        (client_error("", "", 0), Permanent, "AwsError"),
        (boto.NoCredentialsError(), NoCredentials, "CredentialsMissing"),
        (
            boto.PartialCredentialsError(provider="env", cred_var="key"),
            NoCredentials,
            "CredentialsMissing",
        ),
        (
            boto.CredentialRetrievalError(provider="role", error_msg="secret details"),
            NoCredentials,
            "CredentialsMissing",
        ),
        (boto.MetadataRetrievalError(error_msg="gone"), NoCredentials, "CredentialsMissing"),
        (
            boto.TokenRetrievalError(provider="sso", error_msg="x"),
            NoCredentials,
            "CredentialsMissing",
        ),
        (boto.UnauthorizedSSOTokenError(), NoCredentials, "CredentialsMissing"),
        (
            boto.EndpointConnectionError(endpoint_url="https://x", error="refused"),
            Unreachable,
            "Unreachable",
        ),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), Unreachable, "Unreachable"),
        (boto.ReadTimeoutError(endpoint_url="https://x"), Unreachable, "Unreachable"),
        (boto.ConnectionClosedError(endpoint_url="https://x"), Unreachable, "Unreachable"),
        (boto.SSLError(endpoint_url="https://x", error=OSError("bad")), Unreachable, "Unreachable"),
        (boto.ProxyConnectionError(proxy_url="https://x", error="no"), Unreachable, "Unreachable"),
        (boto.ResponseStreamingError(error="cut off"), Unreachable, "Unreachable"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Unreachable, "Unreachable"),
        (boto.FlexibleChecksumError(error_msg="differs"), Unreachable, "Unreachable"),
        (boto.ParamValidationError(report="wrong"), Permanent, "BadCall"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value)[:50],
)
def test_every_error_is_classified(
    error: ClientError | BotoCoreError, kind: type[StageError], code: str
) -> None:
    found = classify(error, "AnyCall")

    assert type(found) is kind
    assert found.code.startswith(code)
    assert found.message.endswith(".") or isinstance(found, Permanent)
    assert "secret" not in found.message


@pytest.mark.parametrize("code", ["404", "NoSuchKey", "NotFound"])
def test_only_s3_says_by_a_status_alone_that_something_is_missing(code: str) -> None:
    assert isinstance(classify(client_error(code), "HeadObject"), NotFound)
    assert type(classify(client_error(code), "GetTranscriptionJob")) is Permanent


def test_an_upload_that_has_ended_needs_no_abort() -> None:
    found = classify(client_error("NoSuchUpload"), "AbortMultipartUpload")
    assert isinstance(found, NotFound)


def test_throttling_says_of_which_operation() -> None:
    found = classify(client_error("ThrottlingException"), "GetTranscriptionJob")
    assert isinstance(found, Throttled)
    assert found.operation == "GetTranscriptionJob"


def test_the_words_of_the_service_are_passed_on() -> None:
    assert classify(client_error("BadRequestException", " Bad. "), "X").message == "Bad."
    assert classify(client_error("NewError", ""), "X").message == "AWS refused X."


def test_start_hands_its_parameters_over(service: Service) -> None:
    service.answers.add_response("start_transcription_job", {"TranscriptionJob": {}}, START)
    service.transcribe.start(START, AT_ONCE)


def test_a_name_that_exists_is_for_the_caller_to_inspect(service: Service) -> None:
    service.refuse("start_transcription_job", "ConflictException", "The name exists.")
    with pytest.raises(AlreadyExists):
        service.transcribe.start(START, AT_ONCE)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "LimitExceededException",
            "You have reached the maximum number of concurrent jobs. Wait until a job ends.",
        ),
        ("LimitExceededException", "Either you have sent too many requests or your input file"),
        ("LimitExceededException", ""),
        # A code that cannot mean a file is not read as one, whatever its text says.
        ("ServiceQuotaExceededException", "The maximum size of the job queue is reached."),
        ("BadRequestException", "Your account has too many jobs running."),
        ("BadRequestException", "You have too many concurrent jobs; try again later."),
    ],
)
def test_a_refusal_for_too_many_jobs_frees_the_slot(service: Service, code: str, text: str) -> None:
    service.refuse("start_transcription_job", code, text)

    error = service.caught(lambda: service.transcribe.start(START, AT_ONCE))

    assert isinstance(error, SlotsFull)
    assert (error.code, error.operation) == (code, "StartTranscriptionJob")
    assert text in error.message


@pytest.mark.parametrize(
    "text", ["Your input file is too large.", "The maximum size of a media file is 2 GB."]
)
def test_a_file_that_is_too_large_will_never_work(service: Service, text: str) -> None:
    service.refuse("start_transcription_job", "LimitExceededException", text)

    error = service.caught(lambda: service.transcribe.start(START, AT_ONCE))

    assert type(error) is Permanent
    assert (error.code, error.message) == ("LimitExceededException", text)


@pytest.mark.parametrize(
    ("code", "text", "status", "kind"),
    [
        ("BadRequestException", "The media format is wrong.", 400, Permanent),
        ("ThrottlingException", "Rate exceeded", 400, Throttled),
        ("InternalFailureException", "Oops.", 500, Transient),
        ("ExpiredTokenException", "Expired.", 400, NoCredentials),
        ("AccessDeniedException", "No.", 400, Denied),
    ],
)
def test_start_sorts_every_other_refusal(
    service: Service, code: str, text: str, status: int, kind: type[StageError]
) -> None:
    service.refuse("start_transcription_job", code, text, status)
    assert type(service.caught(lambda: service.transcribe.start(START, AT_ONCE))) is kind


def test_the_state_of_a_transcribe_job(service: Service) -> None:
    media = {"Media": {"MediaFileUri": "s3://in/a"}}
    expected = {
        "QUEUED": Running("s3://in/a"),
        "IN_PROGRESS": Running("s3://in/a"),
        "COMPLETED": Done("s3://in/a", S3Uri("s3://out/a.json")),
        "FAILED": Failed("s3://in/a", "Too quiet."),
    }
    for state in expected:
        service.answers.add_response(
            "get_transcription_job",
            {
                "TranscriptionJob": {
                    **media,
                    "TranscriptionJobStatus": state,
                    "Transcript": {"TranscriptFileUri": "https://s3.amazonaws.com/out/a.json"},
                    "FailureReason": "Too quiet.",
                }
            },
            {"TranscriptionJobName": "talk-1"},
        )

    assert {state: service.transcribe.status("talk-1", AT_ONCE) for state in expected} == expected


def test_a_redacted_transcript_is_where_the_result_is(service: Service) -> None:
    transcript = {"RedactedTranscriptFileUri": "https://s3.amazonaws.com/out/redacted-a.json"}
    job = {"TranscriptionJobStatus": "COMPLETED", "Transcript": transcript}
    service.answers.add_response("get_transcription_job", {"TranscriptionJob": job})
    assert service.transcribe.status("n", AT_ONCE) == Done("", S3Uri("s3://out/redacted-a.json"))


@pytest.mark.parametrize(
    ("reason", "internal"),
    [
        ("Internal service error", True),
        ("internal failure", True),
        ("Failed to parse audio file.", False),
        ("The internal structure of the file is wrong.", False),
    ],
)
def test_the_service_may_blame_itself(reason: str, *, internal: bool) -> None:
    assert Failed("s3://in/a", reason).is_internal is internal


@pytest.mark.parametrize(
    ("code", "text"),
    [("BadRequestException", UNKNOWN_JOB), ("NotFoundException", "whatever it says")],
)
def test_an_unknown_job_is_none_and_deleting_it_is_fine(
    service: Service, code: str, text: str
) -> None:
    service.refuse("get_transcription_job", code, text)
    service.refuse("delete_transcription_job", code, text)

    assert service.transcribe.status("gone", AT_ONCE) is None
    service.transcribe.delete("gone", AT_ONCE)


def test_a_bad_request_about_something_else_is_no_unknown_job(service: Service) -> None:
    service.refuse("get_transcription_job", "BadRequestException", "The name is not valid.")
    error = service.caught(lambda: service.transcribe.status("n", AT_ONCE))
    assert (type(error), error.code) == (Permanent, "BadRequestException")


def test_a_job_that_cannot_be_deleted_yet_is_deleted_later(service: Service) -> None:
    service.refuse("delete_transcription_job", "BadRequestException", "The job is in progress.")
    error = service.caught(lambda: service.transcribe.delete("n", AT_ONCE))
    assert (type(error), error.code) == (Transient, "StillRunning")


@pytest.mark.parametrize("code", ["ThrottlingException", "LimitExceededException"])
def test_too_many_calls_slow_the_fleet_down(service: Service, code: str) -> None:
    for operation in ("get", "delete"):
        service.refuse(f"{operation}_transcription_job", code, "Rate exceeded")
    service.refuse("list_transcription_jobs", code, "Rate exceeded")

    calls: list[tuple[str, Callable[[], object]]] = [
        ("GetTranscriptionJob", lambda: service.transcribe.status("n", AT_ONCE)),
        ("DeleteTranscriptionJob", lambda: service.transcribe.delete("n", AT_ONCE)),
        ("ListTranscriptionJobs", lambda: service.transcribe.running(AT_ONCE)),
    ]
    for operation, call in calls:
        error = service.caught(call)
        assert type(error) is Throttled
        assert error.operation == operation


def pages(service: Service, *sizes: int, more: bool = False) -> set[str]:
    """Expect calls for pages of these sizes; returns all names on them."""
    names: set[str] = set()
    for number, size in enumerate(sizes):
        page = [f"job-{number}-{each}" for each in range(size)]
        names.update(page)
        asked = {"Status": "IN_PROGRESS", "MaxResults": 100}
        answer: dict[str, Any] = {
            "TranscriptionJobSummaries": [{"TranscriptionJobName": name} for name in page]
        }
        if number:
            asked["NextToken"] = f"token-{number}"
        if more or number + 1 < len(sizes):
            answer["NextToken"] = f"token-{number + 1}"
        service.answers.add_response("list_transcription_jobs", answer, asked)
    return names


@pytest.mark.parametrize("sizes", [(0,), (100,), (100, 100, 50), (0, 100, 0, 3)])
def test_the_list_is_read_to_its_end_a_hundred_names_a_call(
    service: Service, sizes: tuple[int, ...]
) -> None:
    expected = pages(service, *sizes)

    listed = service.transcribe.running(AT_ONCE)
    assert listed is not None
    assert listed.names == expected
    service.answers.assert_no_pending_responses()


def test_a_list_that_does_not_end_is_ignored(service: Service) -> None:
    pages(service, *[100] * 50, more=True)
    assert service.transcribe.running(AT_ONCE) is None


def test_a_job_of_another_is_named_and_left_alone() -> None:
    error = name_used("talk-1")
    assert isinstance(error, Permanent)
    assert "talk-1" in error.message
    assert "left it alone" in error.message


class Refusing(ThreadingHTTPServer):
    """Answers every call the same, and counts the calls by operation."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = (status, code, text)
        self.calls: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Refusing

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.calls.append(self.headers.get("X-Amz-Target", "").rpartition(".")[2])
        status, code, text = self.server.answer
        body = json.dumps({"__type": code, "Message": text}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TRANSCRIBE_BUCKET": "my-recordings",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # A user may have set retries for boto3: StartTranscriptionJob must not have them.
        "AWS_MAX_ATTEMPTS": "5",
        "AWS_RETRY_MODE": "standard",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("status", "code", "text", "kind"),
    [
        (400, "LimitExceededException", "Too many concurrent jobs.", SlotsFull),
        (400, "ThrottlingException", "Rate exceeded", Throttled),
        (500, "InternalFailureException", "Oops.", Transient),
        (503, "ServiceUnavailable", "Later.", Transient),
        (400, "ConflictException", "The name exists.", AlreadyExists),
        (400, "BadRequestException", "No.", Permanent),
    ],
)
def test_a_refused_start_is_one_call(
    status: int,
    code: str,
    text: str,
    kind: type[Exception],
    environment: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Refusing(status, code, text) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
            client = Aws(WorkerSettings.load()).transcribe()
            with pytest.raises(kind) as caught:
                Transcribe(client).start(START, AT_ONCE)
            client.close()
        finally:
            server.shutdown()
            thread.join()

    assert type(caught.value) is kind
    assert server.calls == ["StartTranscriptionJob"]


def test_an_endpoint_that_is_not_there_is_waited_for(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    aws = Aws(WorkerSettings.load())

    for call in (lambda: Transcribe(aws.transcribe()).start(START, AT_ONCE), aws.identity):
        with pytest.raises(Transient) as caught:
            call()
        assert caught.value.code == "Unreachable"


def test_missing_credentials_are_waited_for(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(Transient) as caught:
        Transcribe(Aws(WorkerSettings.load()).transcribe()).status("n", AT_ONCE)

    assert caught.value.code == "CredentialsMissing"


@pytest.mark.parametrize(
    "written",
    [
        1764000000,
        1764000000.125,
        "1764000000.5",
        "Tue, 24 Nov 2026 18:04:40 GMT",
        "2026-11-24T18:04:40.000Z",
        "20261124T180440Z",
    ],
)
def test_times_are_read_as_botocore_reads_them(written: Any) -> None:
    read = parse_time(written)
    assert read == parse_timestamp(written)
    assert read.tzinfo is not None


def test_what_is_no_time_is_botocores_error() -> None:
    with pytest.raises(ValueError, match="Invalid timestamp"):
        parse_time("yesterday GMT")
