"""The AWS session and its clients, and which errors of any AWS call mean what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

from worker.aws.answers import AnswerParsers
from worker.errors import Permanent, StageError, Throttled, Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_transcribe import TranscribeServiceClient

    from worker.settings import WorkerSettings

#: The code of an error that says that AWS did not answer.
UNREACHABLE = "Unreachable"
#: Seconds that a quick call may wait for its answer.
_QUICK = 5
#: The credentials are missing, wrong or expired: work waits until somebody mends them.
CREDENTIAL_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})
_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: botocore could not find or renew credentials, which often mends itself: a role's.
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
#: AWS did not answer, or not to the end.
_BROKEN_OFF = (
    BotoConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    # No AWS service answers like that, but what stands between may.
    ResponseParserError,
)


class Aws:
    """One session and one client of each service for a process; clients are thread-safe."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Find credentials and region as boto3 does, unless the settings bring their own.

        Raises:
            Permanent: if there is no region, or the profile does not exist.
        """
        # boto3 itself reads AWS_DEFAULT_REGION only; most other tools read AWS_REGION.
        region = settings.region or (
            os.environ.get("AWS_REGION") if "AWS_DEFAULT_REGION" not in os.environ else None
        )
        key, secret = settings.credentials or (None, None)
        try:
            core = botocore.session.get_session()
            parsers = AnswerParsers()
            parsers.set_parser_defaults(timestamp_parser=moment)
            core.register_component("response_parser_factory", parsers)
            self.session = boto3.Session(
                botocore_session=core,
                aws_access_key_id=key.get_secret_value() if key else None,
                aws_secret_access_key=secret.get_secret_value() if secret else None,
                region_name=region,
            )
        except BotoCoreError as error:
            raise Permanent("NoSession", f"AWS cannot be used: {error}") from error
        if self.session.region_name is None:
            raise Permanent("NoRegion", "No AWS region is set: set AWS_DEFAULT_REGION.")
        self.region: str = self.session.region_name
        # The poll, and uploads in parts, have threads of their own beside those of the stages.
        self._pool = settings.concurrency + 20

    def s3(self, *, quick: bool = False) -> S3Client:
        """A client for S3, which may retry by itself: what we send it is idempotent.

        Args:
            quick: give up after a few seconds and try nothing twice.
        """
        attempts, read_timeout = (1, _QUICK) if quick else (2, 20)
        config = self._config(attempts=attempts, read_timeout=read_timeout)
        # `Storage` sees to it that an address is one, and calls to S3 are most of the work.
        config = config.merge(Config(parameter_validation=False))
        with _settings_sorted():
            client = self.session.client("s3", config=config)
        if client.meta.endpoint_url.startswith("https:"):
            # TLS and a checksum tell all that hashing each body for its signature would.
            config = cast("Any", client.meta.config)
            config.s3 = {**(config.s3 or {}), "payload_signing_enabled": False}
        return client

    def transcribe(self, *, quick: bool = False) -> TranscribeServiceClient:
        """A client for Amazon Transcribe, which never retries by itself.

        botocore counts LimitExceededException as throttling and would call Start three times.

        Args:
            quick: give up after a few seconds.
        """
        read_timeout = _QUICK if quick else 30
        config = self._config(attempts=1, read_timeout=read_timeout)
        with _settings_sorted():
            return self.session.client("transcribe", config=config)

    def service_quotas(self) -> ServiceQuotasClient:
        """A client for Service Quotas that gives up after a few seconds."""
        config = self._config(attempts=1, read_timeout=10)
        with _settings_sorted():
            return self.session.client("service-quotas", config=config)

    def identity(self) -> str:
        """Whose credentials these are: an ARN, never a key.

        Raises:
            Transient: if AWS does not say.
        """
        with errors_sorted("GetCallerIdentity"), _settings_sorted():
            sts = self.session.client("sts", config=self._config(attempts=1, read_timeout=10))
            answer = sts.get_caller_identity()
        if not (whose := answer.get("Arn") or answer.get("Account")):
            raise Transient(
                "StrangeAnswer",
                "What answered GetCallerIdentity does not say it; a proxy may stand in between.",
            )
        return str(whose)

    def _config(self, *, attempts: int, read_timeout: int) -> Config:
        return Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=5,
            read_timeout=read_timeout,
            max_pool_connections=self._pool,
            # Shown in CloudTrail. And botocore makes its own anew for each call, which takes a
            # tenth of the CPU of a small one.
            user_agent=f"transcribe-queue/{version('transcribe-queue')} boto3/{boto3.__version__}",
        )


@contextmanager
def _settings_sorted() -> Iterator[None]:
    """Let a client be made of what boto3 found in the environment and in ~/.aws.

    Raises:
        Permanent: if an endpoint or a region there is no such thing.
    """
    try:
        yield
    except ValueError as error:
        raise Permanent(
            "BadEndpoint",
            f"AWS cannot be used ({str(error).rstrip('.')}): correct AWS_ENDPOINT_URL, "
            "AWS_DEFAULT_REGION or the profile in ~/.aws.",
        ) from error


def moment(value: float | str) -> datetime:
    """A time in an answer of AWS, as botocore reads it.

    It takes twenty times as long for a number, and a page of ListTranscriptionJobs has hundreds.
    """
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    if value.endswith(" GMT"):
        try:
            return parsedate_to_datetime(value)
        except ValueError:
            pass  # botocore may know more forms, or words its error
    return parse_timestamp(value)


def may_still_arrive(error: Exception) -> bool:
    """Whether a call that ended so may have been sent, and is perhaps still on its way."""
    if isinstance(error, StageError):
        return error.code == UNREACHABLE
    never_sent = isinstance(error, (ConnectTimeoutError, EndpointConnectionError))
    return isinstance(error, _BROKEN_OFF) and not never_sent


def error_code(error: ClientError) -> str:
    """The code by which AWS errors are told apart; the HTTP status means nothing."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_text(error: ClientError) -> str:
    """AWS's own sentence."""
    return str(error.response.get("Error", {}).get("Message", "")).strip()


@contextmanager
def errors_sorted(operation: str) -> Iterator[None]:
    """Turn what boto3 raises into Transient, Throttled or Permanent; special codes go before."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise sorted_error(error, operation) from error


def sorted_error(error: Exception, operation: str) -> StageError:
    """What an error of boto3 means for the job, whichever operation it was."""
    if isinstance(error, ClientError):
        return _answered(error, operation)
    if isinstance(error, _NO_CREDENTIALS):
        return Transient(
            "CredentialsMissing", "The worker has no AWS credentials; the job waits for them."
        )
    if isinstance(error, ResponseParserError):
        return Transient(
            UNREACHABLE,
            f"What answered {operation} was not understood; a proxy may stand in between.",
        )
    if isinstance(error, _BROKEN_OFF):
        return Transient(UNREACHABLE, f"AWS could not be reached for {operation}.")
    return Permanent("BadCall", f"{operation} cannot be called like this: {error}")


def _answered(error: ClientError, operation: str) -> StageError:
    code, text = error_code(error), error_text(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    sorted_as: StageError = Permanent(code or "AwsError", text or f"{operation} was refused.")
    if code in CREDENTIAL_CODES:
        sorted_as = Transient(
            "CredentialsRejected",
            f"AWS rejects the worker's credentials ({code}); the job waits for new ones.",
        )
    elif code in _THROTTLED:
        sorted_as = Throttled(code, f"{operation} was throttled.", operation)
    elif code == "NoSuchBucket":
        sorted_as = Permanent(
            code,
            "The S3 bucket does not exist: create it or correct TRANSCRIBE_BUCKET, then retry.",
        )
    elif code in _DENIED:
        sorted_as = Permanent(
            "AccessDenied",
            f"The worker may not call {operation}; `transcribe policy` prints what it needs.",
        )
    elif status >= 500 or code in {"InternalFailureException", "InternalError", "RequestTimeout"}:
        sorted_as = Transient("AwsFailure", f"{operation} failed at AWS ({code or status}).")
    return sorted_as
