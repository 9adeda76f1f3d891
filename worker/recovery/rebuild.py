"""The record of a job that Redis has forgotten, from what AWS still knows of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from producer.backend.job_store import error_fields
from producer.backend.recoveries import Outcome
from producer.contract.job import TRANSCRIPTION_FAILED, Job, JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import Stage
from producer.contract.submission import ANY_AUDIO
from producer.errors import InvalidRequest
from worker import s3_keys, stored_request
from worker.aws.transcribe import Description
from worker.recovery.artifacts import Artifacts
from worker.settings import WorkerSettings

Fields = dict[str, str | int | float | bytes]


@dataclass(frozen=True)
class Assessment:
    """What became of a job, by its latest attempt that AWS still shows."""

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
        """The reason as a sentence for the record; '' if there is none."""
        return f"Amazon Transcribe: {self.reason}" if self.reason else ""

    @property
    def media_uri(self) -> str:
        """The media of the Transcribe job; '' if Transcribe does not say."""
        return self.description.status.media_uri if self.description is not None else ""


def rebuild(
    artifacts: Artifacts, assessment: Assessment, settings: WorkerSettings
) -> tuple[TranscriptionRequest, Fields]:
    """Make the request of a job, and the fields of its record.

    The request is the one stored with the audio, else a guess: the owner, who submits again under
    the name, knows better and may correct it.
    """
    stored = request_of(artifacts)
    request = stored or _guess(artifacts, assessment, settings)
    fields: Fields = {
        "request": request.canonical(),
        "attempt": assessment.attempt,
        "own_attempts": json.dumps(_own_attempts(artifacts, assessment)),
        "priority": request.priority,
        "tenant": request.tenant,
        "media_uri": artifacts.audio.uri if artifacts.audio is not None else assessment.media_uri,
        "rebuilt": request.audio
        if stored or _has_requested_audio(artifacts, assessment)
        else ANY_AUDIO,
    }
    if (since := assessment.started_at or _created_at(assessment)) is not None:
        fields["started_at"] = f"{since.timestamp():.3f}"
    fields["result_uri"] = assessment.result_uri or _result_uri(artifacts.id, fields, settings)
    if assessment.outcome is Outcome.FAILED:
        fields |= error_fields(TRANSCRIPTION_FAILED, assessment.message, Stage.RECOVER)
    return request, fields


def _own_attempts(artifacts: Artifacts, assessment: Assessment) -> list[int]:
    # With audio that was used in place, an earlier attempt may have met a job of others.
    return list(range(1, assessment.attempt + 1)) if artifacts.is_uploaded else [assessment.attempt]


def _created_at(assessment: Assessment) -> datetime | None:
    return assessment.description.status.created_at if assessment.description is not None else None


def request_of(artifacts: Artifacts) -> TranscriptionRequest | None:
    """The request that we stored with the audio; None also if a newer version wrote it."""
    fields = stored_request.decode(artifacts.stored_request)
    try:
        request = None if fields is None else TranscriptionRequest.parse(fields)
    except InvalidRequest:
        return None
    return request if request is not None and request.name == artifacts.id else None


def _has_requested_audio(artifacts: Artifacts, assessment: Assessment) -> bool:
    """Whether Transcribe has the address of the audio that the request had."""
    media_uri = assessment.media_uri
    is_theirs = media_uri.startswith("s3://") and not media_uri.startswith(artifacts.folder)
    return artifacts.audio is None and is_theirs


def _guess(
    artifacts: Artifacts, assessment: Assessment, settings: WorkerSettings
) -> TranscriptionRequest:
    for fields in _guesses(artifacts, assessment, settings):
        try:
            return TranscriptionRequest.parse(fields)
        except InvalidRequest:
            continue
    return TranscriptionRequest(name=artifacts.id, audio=artifacts.folder)


def _guesses(
    artifacts: Artifacts, assessment: Assessment, settings: WorkerSettings
) -> Iterator[Mapping[str, object]]:
    """The best guess first."""
    audio = artifacts.audio
    uri = audio.uri if audio is not None else assessment.media_uri
    least: dict[str, object] = {"name": artifacts.id, "audio": uri or artifacts.folder}
    in_folder = uri.startswith(s3_keys.jobs_folder(settings))
    if artifacts.is_uploaded and audio is not None and not in_folder:
        # We put it where the request said.
        least["key"] = audio.uri.key
    if assessment.description is not None:
        yield {**assessment.description.options, **least}
    yield least


def _result_uri(job_id: str, fields: Mapping[str, object], settings: WorkerSettings) -> str:
    """Where Transcribe was asked to put the result."""
    record = {name: str(value) for name, value in fields.items()}
    job = Job.from_record(job_id, {**record, "state": JobState.TRANSCRIBING})
    return s3_keys.result_uri(job, s3_keys.output_uri(job, settings))
