"""The record of a job that Redis has forgotten, from what AWS still knows of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from producer.backend.job_store import ANY_AUDIO, error_fields
from producer.backend.recoveries import Outcome
from producer.contract.job import Job, JobState, Stage, TranscriptionRequest
from producer.contract.s3_address import parse_uri
from producer.errors import InvalidRequest
from worker import request_metadata, s3_layout
from worker.aws.inventory import Description
from worker.recovery.artifacts import Artifacts
from worker.settings import WorkerSettings

Fields = dict[str, str | int | float | bytes]


@dataclass(frozen=True)
class Assessment:
    """What became of a job, by its latest attempt that left a trace."""

    outcome: Outcome
    attempt: int
    #: where the result is, if it is there
    result_uri: str = ""
    #: why Transcribe could not do it
    reason: str = ""
    description: Description | None = None
    #: when the Transcribe job of that attempt was created, or when its result was put there
    started_at: datetime | None = None

    @property
    def message(self) -> str:
        """The reason as a sentence for whoever reads the record; '' if there is none."""
        return f"Amazon Transcribe: {self.reason}" if self.reason else ""

    @property
    def media_uri(self) -> str:
        """What Transcribe says it was told to transcribe; '' if it does not say."""
        return self.description.status.media_uri if self.description is not None else ""


def rebuild(
    artifacts: Artifacts, verdict: Assessment, settings: WorkerSettings
) -> tuple[TranscriptionRequest, Fields]:
    """Make the request of a job, and the fields of its record.

    The request is the one noted on the audio, else a guess: the owner, who submits again under the
    name, knows better and may correct it.
    """
    noted = noted_request(artifacts)
    request = noted or _guess(artifacts, verdict, settings)
    fields: Fields = {
        "request": request.canonical(),
        "attempt": verdict.attempt,
        "own_attempts": json.dumps(_own_attempts(artifacts, verdict)),
        "priority": request.priority,
        "tenant": request.tenant,
        "media_uri": artifacts.audio.uri if artifacts.audio is not None else verdict.media_uri,
        "rebuilt": request.audio if noted or _used_in_place(artifacts, verdict) else ANY_AUDIO,
    }
    if (since := verdict.started_at or _created_at(verdict)) is not None:
        fields["started_at"] = f"{since.timestamp():.3f}"
    fields["result_uri"] = verdict.result_uri or _result_uri(artifacts.id, fields, settings)
    if verdict.outcome is Outcome.FAILED:
        fields |= error_fields("TranscriptionFailed", verdict.message, Stage.RECOVER)
    return request, fields


def _own_attempts(artifacts: Artifacts, verdict: Assessment) -> list[int]:
    # With audio that was used in place, an earlier attempt may have met a job of others.
    return list(range(1, verdict.attempt + 1)) if artifacts.is_marked else [verdict.attempt]


def _created_at(verdict: Assessment) -> datetime | None:
    return verdict.description.status.created_at if verdict.description is not None else None


def noted_request(artifacts: Artifacts) -> TranscriptionRequest | None:
    """The request that we noted on the audio; None also if a newer version wrote it."""
    fields = request_metadata.decode(artifacts.note)
    try:
        request = None if fields is None else TranscriptionRequest.parse(fields)
    except InvalidRequest:
        return None
    return request if request is not None and request.name == artifacts.id else None


def _used_in_place(artifacts: Artifacts, verdict: Assessment) -> bool:
    """Whether Transcribe was told the same address of the audio as we were."""
    theirs = verdict.media_uri.startswith("s3://") and not verdict.media_uri.startswith(
        artifacts.folder
    )
    return artifacts.audio is None and theirs


def _guess(
    artifacts: Artifacts, verdict: Assessment, settings: WorkerSettings
) -> TranscriptionRequest:
    for fields in _guesses(artifacts, verdict, settings):
        try:
            return TranscriptionRequest.parse(fields)
        except InvalidRequest:
            continue
    return TranscriptionRequest(name=artifacts.id, audio=artifacts.folder)


def _guesses(
    artifacts: Artifacts, verdict: Assessment, settings: WorkerSettings
) -> Iterator[Mapping[str, object]]:
    """The best guess first."""
    uri = artifacts.audio.uri if artifacts.audio is not None else verdict.media_uri
    least: dict[str, object] = {"name": artifacts.id, "audio": uri or artifacts.folder}
    if artifacts.is_marked and not uri.startswith(f"s3://{settings.bucket}/{settings.prefix}"):
        # We put it where the request said.
        least["key"] = parse_uri(uri)[1]
    if verdict.description is not None:
        yield {**verdict.description.options, **least}
    yield least


def _result_uri(job_id: str, fields: Mapping[str, object], settings: WorkerSettings) -> str:
    """Where Transcribe was told to put the result."""
    record = {name: str(value) for name, value in fields.items()}
    job = Job.from_record(job_id, {**record, "state": JobState.TRANSCRIBING})
    return s3_layout.result_uri(job, s3_layout.output_uri(job, settings.bucket, settings.prefix))
