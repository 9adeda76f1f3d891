"""Settings of a worker: environment, `.env`, or the file that TRANSCRIBE_ENV_FILE names."""

import json
import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from producer.errors import InvalidSettings
from producer.legacy_env_file import LegacySettings, read_settings
from producer.settings import ProducerSettings

#: Source: the pattern of OutputBucketName in the API reference of Amazon Transcribe.
_BUCKET = re.compile(r"[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]")


ConditionalPut = Literal["auto", "on", "off"]


class WorkerSettings(ProducerSettings):
    """The settings of a worker, beside the producer's."""

    model_config = SettingsConfigDict(allow_inf_nan=False)

    bucket: str = Field(
        default="",
        description="The S3 bucket for audio and results, in the region of the jobs. Required.",
    )
    prefix: str = Field(
        default="transcribe-queue/",
        pattern=r"^[a-zA-Z0-9\-_.!*'()/]*$",
        description="Beginning of the keys that workers choose in the bucket; ends in `/`. No "
        "request may name a key or audio beneath it.",
    )
    audio_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Buckets from which requests may name `s3://` audio, separated by `,`; by "
        "default `TRANSCRIBE_BUCKET` only.",
    )
    replace_key: str = Field(
        default="",
        description="The one `key` at which jobs may overwrite objects of others; `transcribe "
        "local --replace` sets it.",
    )
    conditional_put: ConditionalPut = Field(
        default="auto",
        description="Whether uploads carry If-None-Match, so that S3 overwrites nothing; `auto` is "
        "`on` for Amazon S3 and `off` for other endpoints, where a HEAD comes first.",
    )
    audio_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(Path(),),
        description="Folders from which workers read local audio, separated by `:`.",
    )
    results_dir: Path = Field(
        default=Path("transcripts"),
        description="The results root: each job has a folder of its own beneath it.",
    )
    env_file: Path | None = Field(
        default=None,
        description="The original script's settings file: keys, region, bucket and poll interval.",
    )
    max_running_jobs: int = Field(
        default=250, ge=1, description="Jobs that may run in the account at once."
    )
    start_rate: float = Field(
        default=25, gt=0, description="StartTranscriptionJob calls a second, over the fleet."
    )
    get_rate: float = Field(
        default=30, gt=0, description="GetTranscriptionJob calls a second, over the fleet."
    )
    list_rate: float = Field(
        default=5, gt=0, description="ListTranscriptionJobs calls a second, over the fleet."
    )
    delete_rate: float = Field(
        default=5, gt=0, description="DeleteTranscriptionJob calls a second, over the fleet."
    )
    tenant_weights: Annotated[dict[str, float], NoDecode] = Field(
        default={},
        description="Weights of tenants, `alice=3,bob=0.5` or JSON; 1 for all others. Set it alike "
        "on all workers.",
    )
    poll_interval: float = Field(
        default=0.8,
        ge=0.1,
        description="Seconds between two polls of the running jobs, at least; up to 15 while none "
        "of them is likely to end.",
    )
    dispatch_interval: float = Field(
        default=0.2, ge=0.01, description="Seconds between two passes of the dispatcher."
    )
    concurrency: int = Field(
        default=16, ge=1, description="Stages that one worker process runs at once: its threads."
    )
    quiet_period: float = Field(
        default=5.0,
        ge=0,
        description="Seconds for which a recording must not have changed before its upload.",
    )
    result_patience: float = Field(
        default=60.0,
        ge=0,
        description="Seconds for which collect waits for a missing or broken result.",
    )
    stop_grace: float = Field(
        default=20.0,
        ge=0,
        description="Seconds that a stopping worker has to finish its work.",
    )
    kept_result_bytes: int = Field(
        default=65536,
        ge=0,
        description="Largest compressed text or document, in bytes, that Redis keeps.",
    )
    reuse: Literal["tenant", "all", "off"] = Field(
        default="tenant",
        description="Whose results serve a job with the same audio and options: those of its "
        "`tenant`, of `all` tenants, or none (`off`). Set it alike on all workers.",
    )
    identity_retention: int = Field(
        default=90 * 86400,
        ge=1,
        description="Seconds for which Redis keeps where the result of an audio with its options "
        "is, so that it can be reused.",
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto` is JSON unless the log goes to a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="The least severe messages to log."
    )

    _legacy: LegacySettings = PrivateAttr(default=LegacySettings())

    @field_validator("prefix")
    @classmethod
    def _prefix_is_a_folder(cls, prefix: str) -> str:
        # Else a key that merely begins alike would lie among ours.
        if not prefix.endswith("/") or not prefix.strip("/."):
            raise ValueError("it must name a folder and end in /, as transcribe-queue/ does")
        return prefix

    @field_validator("audio_buckets", mode="before")
    @classmethod
    def _split_buckets(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, map(str.strip, value.split(","))))

    @field_validator("audio_buckets")
    @classmethod
    def _buckets_are_names(cls, buckets: tuple[str, ...]) -> tuple[str, ...]:
        for bucket in buckets:
            if not _BUCKET.fullmatch(bucket):
                raise ValueError(f"{bucket!r} is not the bare name of a bucket")
        return buckets

    @field_validator("audio_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return tuple(json.loads(value))
        # An empty part, as a trailing colon leaves it, must not open the current folder.
        return tuple(filter(None, value.split(os.pathsep)))

    @field_validator("audio_roots")
    @classmethod
    def _roots_are_folders(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        resolved = tuple(root.expanduser().resolve() for root in roots)
        for root in resolved:
            if root == Path(root.anchor):
                raise ValueError(
                    "the whole disk cannot be an audio root: a message could then make the worker "
                    "upload any file; name the folders with recordings"
                )
            if not root.is_dir():
                raise ValueError(f"{root} is not a folder")
        return resolved

    @field_validator("results_dir")
    @classmethod
    def _results_dir_is_absolute(cls, folder: Path) -> Path:
        return folder.expanduser().resolve()

    @field_validator("tenant_weights", mode="before")
    @classmethod
    def _split_weights(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                raise ValueError("it begins like JSON, but is not JSON") from None
        weights = {}
        for pair in filter(None, map(str.strip, value.split(","))):
            tenant, _, weight = pair.partition("=")
            try:
                weights[tenant.strip()] = float(weight)
            except ValueError:
                raise ValueError(f"write TENANT=WEIGHT, as alice=3,bob=1, not {pair!r}") from None
        return weights

    @field_validator("tenant_weights")
    @classmethod
    def _check_weights(cls, weights: dict[str, float]) -> dict[str, float]:
        for tenant, weight in weights.items():
            # A wider range would let one tenant hold up another for hours.
            if not 0.01 <= weight <= 100:
                raise ValueError(f"the weight of {tenant!r} must be from 0.01 to 100")
        return weights

    @property
    def credentials(self) -> tuple[SecretStr, SecretStr] | None:
        """Access and secret key, if they are not left to boto3's own chain."""
        return self._legacy.credentials

    @property
    def region(self) -> str | None:
        """The AWS region, if it is not left to boto3's own chain."""
        return self._legacy.region

    @classmethod
    def load(cls) -> Self:
        """Read the environment and the original script's file, if one is named.

        Raises:
            InvalidSettings: with one sentence for each setting that is wrong.
        """
        settings = super().load()
        if settings.env_file is not None:
            settings._legacy = legacy = read_settings(settings.env_file)
            settings.bucket = legacy.bucket or settings.bucket
            settings.poll_interval = legacy.poll_interval or settings.poll_interval
        if not settings.bucket:
            raise InvalidSettings(
                "TRANSCRIBE_BUCKET is not set: name the S3 bucket for audio and results."
            )
        if not _BUCKET.fullmatch(settings.bucket):
            raise InvalidSettings(
                f"TRANSCRIBE_BUCKET (or S3_BUCKET in the script's file) is {settings.bucket!r}, "
                "which is not the bare name of a bucket."
            )
        return settings
