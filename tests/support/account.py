"""A localaws as boto3 sees it: both clients of one endpoint, and the calls that tests make most."""

# ruff: noqa: S310 - the only URLs opened are those of our own endpoint

import json
from collections.abc import Iterable
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.config import Config

from localaws.server import Endpoint
from tests.support.waiting import until

UNLIMITED = "jobs=off,start=off,get=off,list=off,delete=off"
_IDENTIFY = {"IdentifyLanguage", "IdentifyMultipleLanguages"}


def client(service: str, url: str, *, region: str = "eu-west-1", **config: Any) -> Any:
    """A boto3 client that signs with keys of no account, and does not try again by itself."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


class Account:
    """Both clients of one endpoint, in one region, and the calls that tests make most."""

    def __init__(self, endpoint: Endpoint, region: str = "eu-west-1") -> None:
        self.endpoint = endpoint
        self.s3 = client("s3", endpoint.url, region=region)
        self.transcribe = client("transcribe", endpoint.url, region=region)
        self.s3.put_object(Bucket="media", Key="a.wav", Body=b"not listened to")

    def start(self, name: str, **options: Any) -> dict[str, Any]:
        request = {
            "TranscriptionJobName": name,
            "Media": {"MediaFileUri": "s3://media/a.wav"},
            "OutputBucketName": "media",
            "OutputKey": f"out/{name}.json",
            **({} if options.keys() & _IDENTIFY else {"LanguageCode": "en-US"}),
            **options,
        }
        return dict(self.transcribe.start_transcription_job(**request)["TranscriptionJob"])

    def get(self, name: str) -> dict[str, Any]:
        answer = self.transcribe.get_transcription_job(TranscriptionJobName=name)
        return dict(answer["TranscriptionJob"])

    def ended(self, name: str) -> dict[str, Any]:
        until(lambda: self.get(name)["TranscriptionJobStatus"] in {"COMPLETED", "FAILED"})
        return self.get(name)

    def delete(self, **options: Any) -> None:
        self.transcribe.delete_transcription_job(**options)

    def list(self, **options: Any) -> list[str]:
        page = self.transcribe.list_transcription_jobs(**options)
        return [job["TranscriptionJobName"] for job in page["TranscriptionJobSummaries"]]

    def read(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket="media", Key=key)["Body"].read())

    def admin(self) -> dict[str, Any]:
        with urlopen(f"{self.endpoint.url}/_localaws/jobs") as answer:
            return dict(json.load(answer))

    def faults(self, faults: Iterable[dict[str, Any]]) -> None:
        with urlopen(f"{self.endpoint.url}/_localaws/faults", json.dumps([*faults]).encode()):
            pass
