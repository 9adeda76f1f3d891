"""Amazon Transcribe: start, status, list of what runs, delete."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from producer.contract.s3_uri import S3Uri
from worker.aws.description import options_of
from worker.aws.endpoints import is_amazon
from worker.aws.errors import NotFound, errors_classified
from worker.errors import Permanent

if TYPE_CHECKING:
    from mypy_boto3_transcribe import TranscribeServiceClient
    from mypy_boto3_transcribe.type_defs import (
        ListTranscriptionJobsRequestTypeDef,
        StartTranscriptionJobRequestTypeDef,
        TranscriptionJobTypeDef,
    )

#: Of a longer list, with 5 calls a second, the end would be out of date before it is seen.
MAX_PAGES = 50


@dataclass(frozen=True)
class Listed:
    """What runs in the account, ours or not."""

    names: frozenset[str]
    #: calls that the list needed
    pages: int


@dataclass(frozen=True)
class Running:
    """The job runs, or waits in the service's own queue."""

    media_uri: str
    #: when it was created, if the service says so
    created_at: datetime | None = None
    #: when the service said so, by its own clock
    seen_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Done:
    """The job has a result."""

    media_uri: str
    #: where the service says the document is, if it does
    transcript_uri: S3Uri | None
    created_at: datetime | None = None
    seen_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Failed:
    """The job ended without a result."""

    media_uri: str
    reason: str
    created_at: datetime | None = None
    seen_at: datetime | None = field(default=None, compare=False)

    @property
    def is_internal(self) -> bool:
        """Whether the service blames itself, so that another try may succeed."""
        return self.reason.lower().startswith("internal")


Status = Running | Done | Failed


@dataclass(frozen=True)
class ListedJob:
    """A job, as ListTranscriptionJobs shows it."""

    name: str
    completed: bool
    created_at: datetime | None
    #: whether its result went to a bucket that its owner named, as ours always do
    names_bucket: bool


@dataclass(frozen=True)
class Description:
    """All that the service says of a job."""

    status: Status
    #: its options, as fields of a request
    options: dict[str, object]


#: What a request may name of what the account has at Transcribe.
Resource = Literal["vocabulary", "vocabulary_filter", "language_model"]
#: Makes what a call is sent and answered within: as it begins it waits for the moment to send the
#: call, and what it raises then ends the call unsent.
Gate = Callable[[], AbstractContextManager[None]]


class Transcribe:
    """Transcription jobs of the account.

    Calls raise Transient or Permanent, as `errors` classifies AWS's errors. Callers
    without a gate keep to the account's rates by themselves.
    """

    def __init__(self, client: TranscribeServiceClient) -> None:
        """Use `client`, which may be shared between threads and must not retry by itself."""
        self._client = client
        #: whether it is Amazon's own, not an emulator
        self.is_amazon = is_amazon(client.meta.endpoint_url)
        self._call = threading.local()
        # To make a request takes time, and a cold client or a busy machine much of it. So the gate
        # is the last thing before the request is on its way.
        client.meta.events.register("before-send.transcribe", self._pass_gate)

    def start(self, parameters: StartTranscriptionJobRequestTypeDef, gate: Gate) -> datetime | None:
        """Start a job; returns when it was created, by the service's clock, if the answer says so.

        Raises:
            AlreadyExists: if a job has the name; it may be our own retried call.
            SlotsFull: if too many jobs run in the account.
        """
        with errors_classified("StartTranscriptionJob"), self._sent_by(gate):
            answer = self._client.start_transcription_job(**parameters)
        return answer.get("TranscriptionJob", {}).get("CreationTime")

    def status(self, name: str, gate: Gate) -> Status | None:
        """The status of a job; None if no job has that name."""
        try:
            with errors_classified("GetTranscriptionJob"), self._sent_by(gate):
                answer = self._client.get_transcription_job(TranscriptionJobName=name)
        except NotFound:
            return None
        sent_at = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return replace(
            status_of(answer["TranscriptionJob"]),
            seen_at=parsedate_to_datetime(sent_at) if sent_at else None,
        )

    def running(self, gate: Gate) -> Listed | None:
        """All jobs that are at work; None if there are too many to see.

        The list may be stale: a name that is absent may still be at work.
        """
        names: set[str] = set()
        which: ListTranscriptionJobsRequestTypeDef = {"Status": "IN_PROGRESS", "MaxResults": 100}
        for number in range(MAX_PAGES):
            with errors_classified("ListTranscriptionJobs"), self._sent_by(gate):
                page = self._client.list_transcription_jobs(**which)
            names.update(
                summary["TranscriptionJobName"]
                for summary in page.get("TranscriptionJobSummaries", [])
                if "TranscriptionJobName" in summary
            )
            if not (token := page.get("NextToken")):
                return Listed(frozenset(names), number + 1)
            which["NextToken"] = token
        return None

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
            page = self._client.list_transcription_jobs(**parameters)
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
        """All that the service says of a job; None if no job has that name."""
        try:
            with errors_classified("GetTranscriptionJob"):
                answer = self._client.get_transcription_job(TranscriptionJobName=name)
        except NotFound:
            return None
        job = answer["TranscriptionJob"]
        return Description(status_of(job), options_of(job))

    def delete(self, name: str, gate: Gate) -> None:
        """Delete a job; one that does not exist is fine.

        Raises:
            Transient: also while it runs.
        """
        with (
            suppress(NotFound),
            errors_classified("DeleteTranscriptionJob"),
            self._sent_by(gate),
        ):
            self._client.delete_transcription_job(TranscriptionJobName=name)

    def changed_at(self, kind: Resource, name: str, gate: Gate) -> datetime:
        """When a vocabulary, a filter or a model was changed last.

        Raises:
            Transient, Permanent: as `errors` classifies AWS's error; also if it does not say.
        """
        answer: Any
        if kind == "vocabulary":
            with errors_classified("GetVocabulary"), self._sent_by(gate):
                answer = self._client.get_vocabulary(VocabularyName=name)
        elif kind == "vocabulary_filter":
            with errors_classified("GetVocabularyFilter"), self._sent_by(gate):
                answer = self._client.get_vocabulary_filter(VocabularyFilterName=name)
        else:
            with errors_classified("DescribeLanguageModel"), self._sent_by(gate):
                answer = self._client.describe_language_model(ModelName=name)["LanguageModel"]
        moment = answer.get("LastModifiedTime")
        if not isinstance(moment, datetime):
            raise Permanent("NotSaid", f"Transcribe does not say when {name} was changed last.")
        return moment

    @contextmanager
    def _sent_by(self, gate: Gate) -> Iterator[None]:
        with ExitStack() as passed:
            self._call.gate, self._call.passed = gate, passed
            try:
                yield
            finally:
                self._call.gate = None

    def _pass_gate(self, **_: Any) -> None:
        gate: Gate | None = getattr(self._call, "gate", None)
        if gate is not None:
            self._call.passed.enter_context(gate())


def status_of(job: TranscriptionJobTypeDef) -> Status:
    """How a job stands, as GetTranscriptionJob describes it."""
    media_uri = _as_s3_uri(job.get("Media", {}).get("MediaFileUri", ""))
    created_at = job.get("CreationTime")
    state = job.get("TranscriptionJobStatus")
    if state == "COMPLETED":
        transcript = job.get("Transcript", {})
        uri = transcript.get("RedactedTranscriptFileUri") or transcript.get("TranscriptFileUri")
        return Done(media_uri, S3Uri.answered(uri or ""), created_at)
    if state == "FAILED":
        return Failed(media_uri, job.get("FailureReason") or "No reason was given.", created_at)
    return Running(media_uri, created_at)


def _as_s3_uri(media: str) -> str:
    """The s3:// address of media, for which the request may have had an https:// one."""
    try:
        return S3Uri.parse(media)
    except ValueError:
        return media
