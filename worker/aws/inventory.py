"""Which objects the bucket has and which jobs the account has, a page a call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from producer.contract.s3_uri import S3Uri
from worker.aws.description import options_of
from worker.aws.errors import NotFound, errors_classified
from worker.aws.transcribe import Status, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_transcribe import TranscribeServiceClient
    from mypy_boto3_transcribe.type_defs import ListTranscriptionJobsRequestTypeDef


@dataclass(frozen=True)
class ListedObject:
    """An object, as ListObjectsV2 shows it."""

    uri: S3Uri
    #: when it was put there, by S3's clock, to the second
    modified_at: datetime


@dataclass(frozen=True)
class ListedJob:
    """A Transcribe job, as ListTranscriptionJobs shows it."""

    name: str
    completed: bool
    created_at: datetime | None
    #: whether its result went to a bucket that its owner named, as ours always do
    names_bucket: bool


@dataclass(frozen=True)
class Description:
    """All that Transcribe says of a job."""

    status: Status
    #: its options, as fields of a request
    options: dict[str, object]


class Inventory:
    """Lists and descriptions; the callers keep to the account's rates.

    Calls raise Transient or Permanent, as `errors` classifies AWS's errors.
    """

    def __init__(self, s3: S3Client, transcribe: TranscribeServiceClient) -> None:
        """Use clients that may be shared between threads."""
        self._s3 = s3
        self._transcribe = transcribe

    def objects(self, folder: S3Uri, after: S3Uri | None = None) -> list[ListedObject]:
        """The next objects in a folder and its folders, in order; none if there are no more.

        Args:
            folder: ends in `/`.
            after: the last object of the page before; None for the first page.
        """
        with errors_classified("ListObjectsV2"):
            page = self._s3.list_objects_v2(
                Bucket=folder.bucket, Prefix=folder.key, StartAfter=after.key if after else ""
            )
        return [
            ListedObject(S3Uri(f"s3://{folder.bucket}/{each['Key']}"), each["LastModified"])
            for each in page.get("Contents", [])
        ]

    def jobs(self, contains: str, token: str) -> tuple[list[ListedJob], str]:
        """A page of the account's jobs, and the token of the next; '' if that was the last.

        Args:
            contains: a part of their names, in upper or lower case; '' for all jobs.
            token: what the page before came with; '' for the first page.
        """
        parameters: ListTranscriptionJobsRequestTypeDef = {"MaxResults": 100}
        if contains:
            parameters["JobNameContains"] = contains
        if token:
            parameters["NextToken"] = token
        with errors_classified("ListTranscriptionJobs"):
            page = self._transcribe.list_transcription_jobs(**parameters)
        listed = [
            ListedJob(
                each["TranscriptionJobName"],
                each.get("TranscriptionJobStatus") == "COMPLETED",
                each.get("CreationTime"),
                each.get("OutputLocationType") != "SERVICE_BUCKET",
            )
            for each in page.get("TranscriptionJobSummaries", [])
            if "TranscriptionJobName" in each
        ]
        return listed, page.get("NextToken") or ""

    def describe(self, name: str) -> Description | None:
        """All that Transcribe says of a job; None if no job has that name."""
        try:
            with errors_classified("GetTranscriptionJob"):
                answer = self._transcribe.get_transcription_job(TranscriptionJobName=name)
        except NotFound:
            return None
        job = answer["TranscriptionJob"]
        return Description(status_of(job), options_of(job))
