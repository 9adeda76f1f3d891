"""What both baselines do with AWS: boto3 as its guide says, with its own retries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ.get("TRANSCRIBE_BUCKET", "")
#: Refusals that mean: later.
_LATER = {"ThrottlingException", "LimitExceededException", "TooManyRequestsException"}


def client(service: str, connections: int, attempts: int = 5) -> Any:
    """A client that may be used by so many threads at once, and tries calls so many times."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
    )
    return boto3.client(service, config=config)  # type: ignore[call-overload]


def is_refused_for_now(error: ClientError) -> bool:
    """Whether the same call will be accepted some time later."""
    return error.response.get("Error", {}).get("Code") in _LATER


def start(transcribe: Any, name: str) -> None:
    """Start the job of an uploaded recording. Raises ClientError."""
    transcribe.start_transcription_job(
        TranscriptionJobName=name,
        Media={"MediaFileUri": f"s3://{BUCKET}/audio/{name}.wav"},
        LanguageCode="en-US",
        OutputBucketName=BUCKET,
        OutputKey=f"output/{name}.json",
    )


def fetch(s3: Any, name: str, results: Path) -> None:
    """Write the result of a job that has completed. Raises ClientError."""
    body = s3.get_object(Bucket=BUCKET, Key=f"output/{name}.json")["Body"].read()
    folder = results / name
    folder.mkdir(exist_ok=True)
    aside = folder / "transcript.json.part"
    aside.write_bytes(body)
    aside.rename(folder / "transcript.json")


def clean(s3: Any, transcribe: Any, name: str) -> None:
    """Delete audio, result and job. Raises ClientError."""
    s3.delete_object(Bucket=BUCKET, Key=f"audio/{name}.wav")
    s3.delete_object(Bucket=BUCKET, Key=f"output/{name}.json")
    transcribe.delete_transcription_job(TranscriptionJobName=name)
