"""The AWS session of a process and its clients."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from worker.aws.answers import AnswerParsers
from worker.aws.errors import errors_classified
from worker.errors import Permanent, Transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_transcribe import TranscribeServiceClient

    from worker.settings import WorkerSettings

#: Seconds that a quick call may wait for its answer.
_QUICK = 5


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
            core.register_component("response_parser_factory", AnswerParsers())
            self.session = boto3.Session(
                botocore_session=core,
                aws_access_key_id=key.get_secret_value() if key else None,
                aws_secret_access_key=secret.get_secret_value() if secret else None,
                region_name=region,
            )
        except BotoCoreError as error:
            raise Permanent(
                "NoSession",
                f"boto3 cannot start a session ({error}): correct AWS_PROFILE or ~/.aws.",
            ) from error
        if self.session.region_name is None:
            raise Permanent("NoRegion", "No AWS region is set: set AWS_DEFAULT_REGION.")
        self.region: str = self.session.region_name
        # The poll, and uploads in parts, have threads of their own beside those of the stages.
        self._pool = settings.concurrency + 20

    def s3(self) -> S3Client:
        """A client for S3, which may retry by itself: what we send it is idempotent."""
        client: S3Client = self._client("s3", read_timeout=20, attempts=2)
        if client.meta.endpoint_url.startswith("https:"):
            # TLS and a checksum prove all that hashing each body for its signature would.
            config = cast("Any", client.meta.config)
            config.s3 = {**(config.s3 or {}), "payload_signing_enabled": False}
        return client

    def transcribe(self, *, quick: bool = False) -> TranscribeServiceClient:
        """A client for Amazon Transcribe, which never retries by itself.

        botocore counts LimitExceededException as throttling and would call Start three times.

        Args:
            quick: give up after a few seconds.
        """
        return cast("TranscribeServiceClient", self._client("transcribe", _QUICK if quick else 30))

    def service_quotas(self) -> ServiceQuotasClient:
        """A client for Service Quotas that gives up after a few seconds."""
        return cast("ServiceQuotasClient", self._client("service-quotas", 10))

    def identity(self) -> str:
        """Whose credentials these are: an ARN, never a key.

        Raises:
            Transient: if AWS does not say.
        """
        with errors_classified("GetCallerIdentity"):
            answer = self._client("sts", 10).get_caller_identity()
        if not (whose := answer.get("Arn") or answer.get("Account")):
            raise Transient(
                "StrangeAnswer",
                "The answer to GetCallerIdentity names nobody: check whether a proxy answers "
                "instead of AWS.",
            )
        return str(whose)

    def _client(self, service: Any, read_timeout: int, attempts: int = 1) -> Any:
        """A client of what boto3 found in the environment and in ~/.aws, if that is valid."""
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=5,
            read_timeout=read_timeout,
            max_pool_connections=self._pool,
            # Shown in CloudTrail. And botocore makes its own anew for each call, which takes a
            # tenth of the CPU of a small one.
            user_agent=f"transcribe-queue/{version('transcribe-queue')} boto3/{boto3.__version__}",
        )
        try:
            return self.session.client(service, config=config)
        except ValueError as error:
            raise Permanent(
                "BadEndpoint",
                f"AWS cannot be used ({str(error).rstrip('.')}): correct AWS_ENDPOINT_URL, "
                "AWS_DEFAULT_REGION or the profile in ~/.aws.",
            ) from error
