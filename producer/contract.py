"""The contract between producers and workers: the request, the job, its states, the names.

Pydantic and the standard library only, so that everything may import it.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from producer.errors import InvalidRequest
from producer.languages import LANGUAGE_CODES
from producer.options import TranscribeOptions

Format = Literal["txt", "srt", "vtt", "json"]

#: AWS takes 200 characters; ten are kept for the suffix of an own retry (`.2`, `.3`).
NAME = re.compile(r"(?!\.+$)[0-9a-zA-Z._-]{1,190}")
S3_URI = re.compile(r"^s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})$", re.DOTALL)
MAX_METADATA_BYTES = 8192


class JobState(StrEnum):
    """Where a job is. The arrows are drawn in the README; only the store moves a job."""

    #: recorded, waiting for a worker to take up its audio
    QUEUED = "QUEUED"
    #: a worker checks the audio and puts it into S3
    UPLOADING = "UPLOADING"
    #: in S3, waiting for a slot of the account's quota
    READY = "READY"
    #: has a slot; StartTranscriptionJob is being called
    STARTING = "STARTING"
    #: Amazon Transcribe is at work
    TRANSCRIBING = "TRANSCRIBING"
    #: the result is being fetched and written
    COLLECTING = "COLLECTING"
    #: the result is safe on disk and in Redis
    COMPLETED = "COMPLETED"
    #: ended badly: error code, sentence and stage are in the record
    FAILED = "FAILED"
    #: ended by request
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether a job stays in this state until somebody retries it."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


class Stage(StrEnum):
    """A stage of the pipeline; its Celery task is `transcription.<stage>`."""

    UPLOAD = "upload"
    START = "start"
    POLL = "poll"
    COLLECT = "collect"
    CLEANUP = "cleanup"

    @property
    def task(self) -> str:
        """The stable name of the stage's Celery task."""
        return f"transcription.{self.value}"

    @property
    def queue(self) -> str:
        """The queue that the stage's messages go to."""
        if self in {Stage.START, Stage.POLL}:
            return CONTROL_QUEUE
        return f"transcription.{self.value}"


CONTROL_QUEUE = "transcription.control"
#: The door for other languages: one argument, the request as a JSON object.
SUBMIT_TASK = "transcription.submit"
QUEUES = (CONTROL_QUEUE, Stage.UPLOAD.queue, Stage.COLLECT.queue, Stage.CLEANUP.queue)


class TranscriptionRequest(TranscribeOptions):
    """One recording to transcribe and how. Unknown fields are refused."""

    audio: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        description="An absolute path that workers can read, or s3://bucket/key."
    )
    name: str | None = Field(
        default=None,
        description="The job's id; chosen for you when omitted. The same name with the same "
        "request is the same job.",
    )
    key: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="The S3 key for the audio, in the workers' bucket; the result goes to "
        "<key>.json. Chosen for you when omitted.",
    )
    language: str | tuple[str, ...] = Field(
        default="en-US",
        description="A language code, 'auto' to let the service identify it, or two or more "
        "codes to choose from.",
    )
    formats: tuple[Format, ...] = Field(
        default=("txt",), description="Files to write beside transcript.json."
    )
    output: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = Field(
        default=None, description="A folder beneath the workers' results root."
    )
    cleanup: bool = Field(
        default=False,
        description="Once the result is safe, delete the audio we uploaded, the result objects "
        "and the Transcribe job.",
    )
    priority: int = Field(default=5, ge=0, le=9, description="0 is served first.")
    deadline: float | None = Field(
        default=None, gt=0, le=90 * 86400, description="Seconds from submission to give up after."
    )
    metadata: dict[str, JsonValue] = Field(
        default={}, description="The caller's own, returned untouched; 8 KiB of JSON at most."
    )

    @field_validator("name")
    @classmethod
    def _name_suits_transcribe(cls, name: str | None) -> str | None:
        if name is not None and not NAME.fullmatch(name):
            raise ValueError("a name has 1 to 190 letters, digits and . _ - and not dots alone")
        return name

    @field_validator("audio")
    @classmethod
    def _audio_can_be_found(cls, audio: str) -> str:
        if "\0" in audio:
            raise ValueError("a path cannot contain a NUL character")
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", audio):
            if not S3_URI.match(audio):
                raise ValueError("a URI must have the form s3://bucket/key")
        elif not PurePosixPath(audio).is_absolute():
            raise ValueError("a path must be absolute: workers have another working directory")
        return audio

    @field_validator("key")
    @classmethod
    def _key_suits_transcribe(cls, key: str | None) -> str | None:
        if key is not None and not re.fullmatch(r"[a-zA-Z0-9\-_.!*'()/]+", key):
            raise ValueError("an S3 key may use letters, digits and - _ . ! * ' ( ) /")
        return key

    @field_validator("language")
    @classmethod
    def _language_is_known(cls, language: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if language == "auto":
            return language
        codes = (language,) if isinstance(language, str) else language
        if not isinstance(language, str) and len(codes) < 2:
            raise ValueError("a list of languages to choose from needs two or more")
        for code in codes:
            if code not in LANGUAGE_CODES:
                raise ValueError(
                    f"{code!r} is not a language code of Amazon Transcribe (such as en-US)"
                )
        return language

    @field_validator("formats")
    @classmethod
    def _formats_once_each(cls, formats: tuple[Format, ...]) -> tuple[Format, ...]:
        return tuple(dict.fromkeys(formats))

    @field_validator("output")
    @classmethod
    def _output_is_a_path(cls, output: str | None) -> str | None:
        if output is not None and "\0" in output:
            raise ValueError("a path cannot contain a NUL character")
        return output

    @field_validator("metadata")
    @classmethod
    def _metadata_is_bounded(cls, metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if len(json.dumps(metadata)) > MAX_METADATA_BYTES:
            raise ValueError(f"metadata is over {MAX_METADATA_BYTES} bytes of JSON")
        return metadata

    @model_validator(mode="after")
    def _language_options_agree(self) -> Self:
        one_language = isinstance(self.language, str) and self.language != "auto"
        if self.identify_multiple_languages and one_language:
            raise ValueError("identify_multiple_languages needs language 'auto' or a list of codes")
        if self.language_id_settings and one_language:
            raise ValueError("language_id_settings needs language 'auto' or a list of codes")
        return self

    @property
    def is_on_s3(self) -> bool:
        """Whether the audio is an S3 object already, to be used in place."""
        return self.audio.startswith("s3://")

    @classmethod
    def parse(cls, fields: object) -> Self:
        """Validate a mapping of fields.

        Raises:
            InvalidRequest: with one sentence that names each wrong field.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise InvalidRequest(_sentence(error)) from None

    def canonical(self) -> str:
        """The request as JSON that is equal whenever the request is equal."""
        return json.dumps(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, ensure_ascii=False
        )

    def new_job_id(self) -> str:
        """The id for a new job: the name, or the file's stem made legal plus 50 random bits."""
        if self.name is not None:
            return self.name
        stem = PurePosixPath(self.audio).stem
        slug = re.sub(r"[^0-9A-Za-z._]+", "-", stem).strip("-._")[:80] or "audio"
        unique = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(10))
        return f"{slug}-{unique}"


def _sentence(error: ValidationError) -> str:
    """Pydantic's findings as one line, without the input's values or links to its manual."""
    parts = []
    for finding in error.errors(include_url=False, include_input=False)[:5]:
        where = ".".join(
            str(step) for step in finding["loc"] if not str(step).startswith(("tuple", "str"))
        )
        what = finding["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {what}" if where else what)
    return "Invalid request: " + "; ".join(dict.fromkeys(parts)) + "."


class JobError(BaseModel):
    """Why a job failed."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    stage: str


class Job(BaseModel):
    """One job as its record in Redis tells it at one moment."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState
    request: TranscriptionRequest
    #: 1, and one more for each retry
    attempt: int = 1
    #: when the job last entered each state
    times: dict[JobState, datetime]
    deadline_at: datetime | None = None
    error: JobError | None = None
    #: s3:// address of the audio, once it is there
    media_uri: str | None = None
    #: s3:// address of the result document, once the job was started
    result_uri: str | None = None
    #: format -> path on the worker's disk
    files: dict[str, Path] = {}
    cleaned_at: datetime | None = None
    #: why cleaning up did not succeed, if it did not
    cleanup_error: str | None = None

    @property
    def created_at(self) -> datetime:
        """When the job (or its latest attempt) was submitted."""
        return self.times[JobState.QUEUED]

    @property
    def updated_at(self) -> datetime:
        """When the job entered its present state."""
        return self.times[self.state]

    @property
    def aws_name(self) -> str:
        """The name of the Transcribe job of this attempt."""
        return self.id if self.attempt == 1 else f"{self.id}.{self.attempt}"

    @classmethod
    def from_record(cls, job_id: str, record: dict[str, str]) -> Self:
        """Read a job from the fields of its Redis hash."""
        fields: dict[str, Any] = {
            name: value for name, value in record.items() if "." not in name and value != ""
        }
        fields["id"] = job_id
        request = json.loads(record["request"])
        # A refused request is kept as it came, to be shown, and can never run.
        fields["request"] = (
            TranscriptionRequest.model_construct(**request)
            if record.get("error.code") == "InvalidRequest"
            else request
        )
        fields["times"] = {
            JobState(name.removeprefix("at.")): _moment(value)
            for name, value in record.items()
            if name.startswith("at.")
        }
        for moment in ("deadline_at", "cleaned_at"):
            if fields.get(moment):
                fields[moment] = _moment(cast("str", fields[moment]))
        fields["files"] = json.loads(record.get("files") or "{}")
        if record.get("error.code"):
            fields["error"] = {
                part: record.get(f"error.{part}", "") for part in ("code", "message", "stage")
            }
        return cls.model_validate(fields)


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
