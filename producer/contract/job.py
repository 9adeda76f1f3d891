"""A job: its states, the moves between them, and its record.

Pydantic and the standard library only, so that everything may import it.
"""

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from producer.contract.attempts import attempt_name
from producer.contract.request import TranscriptionRequest


class JobState(StrEnum):
    """Where a job is; `TRANSITIONS` has the moves, and the scripts of the backend make them."""

    #: recorded, waiting for a worker to accept its audio
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
    def has_result(self) -> bool:
        """Whether the result of a job in this state is safe."""
        return self in STATES_WITH_RESULT

    @property
    def is_terminal(self) -> bool:
        """Whether a job stays in this state until somebody retries it."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
STATES_WITH_RESULT = frozenset({JobState.COMPLETED})
_STOPPED = frozenset({JobState.FAILED, JobState.CANCELLED})

#: The moves that a job may make. Redis refuses all others.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: _STOPPED | {JobState.UPLOADING},
    # to COLLECTING if the result of a twin is known
    JobState.UPLOADING: _STOPPED | {JobState.READY, JobState.COLLECTING},
    JobState.READY: _STOPPED | {JobState.STARTING},
    # back to READY if the account has no slot
    JobState.STARTING: _STOPPED | {JobState.TRANSCRIBING, JobState.READY},
    # back to READY if Transcribe failed internally
    JobState.TRANSCRIBING: _STOPPED | {JobState.COLLECTING, JobState.READY},
    # of a retried job: back to where its result may come from; of one whose twin's is gone: back
    # to UPLOADING
    JobState.COLLECTING: _STOPPED
    | {JobState.COMPLETED, JobState.TRANSCRIBING, JobState.QUEUED, JobState.UPLOADING},
    # a recovered job whose owner submits its whole request again
    JobState.COMPLETED: frozenset({JobState.COLLECTING}),
    # by retry
    JobState.FAILED: frozenset({JobState.QUEUED, JobState.COLLECTING}),
    JobState.CANCELLED: frozenset({JobState.QUEUED, JobState.COLLECTING}),
}

#: The states in which a record may begin: submitted, refused as it came, or found by a recovery.
FIRST_STATES = frozenset(
    {JobState.QUEUED, JobState.TRANSCRIBING, JobState.COLLECTING, JobState.FAILED}
)

#: The error codes of jobs that decide anything: of a request that never was one,
REFUSED = "InvalidRequest"
#: of a job that Transcribe could not do,
TRANSCRIPTION_FAILED = "TranscriptionFailed"
#: of one whose name is used at Transcribe by somebody else,
NAME_USED = "NameTaken"
#: of one that was not done in time,
OVERDUE = "DeadlineExceeded"
#: and of one that ended so many processes.
WORKER_LOST = "WorkerLost"
#: Of these Transcribe has made nothing, so a retry starts them anew.
NOTHING_MADE = frozenset({TRANSCRIPTION_FAILED, NAME_USED})
#: Of these Transcribe may be at work still: nothing can stop a Transcribe job.
MAY_STILL_RUN = frozenset({OVERDUE, WORKER_LOST})


class JobError(BaseModel, frozen=True):
    """Why a job failed."""

    code: str
    message: str
    #: the stage at which it ended
    stage: str


class Job(BaseModel, frozen=True):
    """One job, as its record in Redis was at one moment."""

    id: str
    state: JobState
    request: TranscriptionRequest
    #: 1, and one more for each retry
    attempt: int = 1
    #: when the job last entered each state
    times: dict[JobState, datetime]
    deadline_at: datetime | None = None
    error: JobError | None = None
    #: of its audio, as a worker read it, and of all options that Transcribe hears
    fingerprint: str | None = None
    #: a job with the same fingerprint that is on its way: this one waits for its result
    waits_for: str | None = None
    #: the job whose result this one has: nothing was started for it
    reused_from: str | None = None
    #: s3:// address of the audio, once it is there
    media_uri: str | None = None
    #: s3:// address of the result document, once the job was started
    result_uri: str | None = None
    #: when the Transcribe job of this attempt was created: no result of it is older
    started_at: datetime | None = None
    #: kind -> path on the worker's disk: formats, and what Transcribe wrote beside its document
    files: dict[str, Path] = {}
    #: kinds that the request asks for, and that Transcribe did not write
    not_written: tuple[str, ...] = ()
    #: the Transcribe job was there before this job was submitted; it is used and left alone
    adopted: bool = False
    #: attempts whose Transcribe job is known to be this job's, not one of others under its name
    own_attempts: tuple[int, ...] = ()
    #: somebody deleted the Transcribe job of this attempt once it was started
    gone: bool = False
    #: an empty file with which AWS tests its right to write lay beside the key before this job
    keeps_write_check: bool = False
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
    def was_at_transcribe(self) -> bool:
        """Whether Transcribe may know it, by any of its attempts."""
        return JobState.STARTING in self.times or self.result_uri is not None or self.attempt > 1

    @property
    def is_retried(self) -> bool:
        """Whether it is COLLECTING because it ended badly and was retried.

        A worker then fetches what Transcribe made of it, if it can, and nobody pays for it again.
        """
        before = {each: at for each, at in self.times.items() if each is not JobState.COLLECTING}
        last = max(before, key=before.__getitem__)
        return self.state is JobState.COLLECTING and last in {JobState.FAILED, JobState.CANCELLED}

    @property
    def aws_name(self) -> str:
        """The name of the Transcribe job of this attempt."""
        return attempt_name(self.id, self.attempt)

    @property
    def aws_names(self) -> tuple[str, ...]:
        """The names of the Transcribe jobs of all attempts so far, the present one last."""
        return tuple(attempt_name(self.id, number) for number in range(1, self.attempt + 1))

    @classmethod
    def from_record(cls, job_id: str, record: dict[str, str]) -> Self:
        """Read a job from the fields of its Redis hash."""
        fields: dict[str, Any] = {
            name: value for name, value in record.items() if "." not in name and value != ""
        }
        fields["id"] = job_id
        request = json.loads(record["request"])
        try:
            fields["request"] = TranscriptionRequest.model_validate(request)
        except ValidationError:
            fields["request"] = _partly_known(request)
        # The values are seconds since 1970, which pydantic reads as times.
        fields["times"] = {
            name.removeprefix("at."): value
            for name, value in record.items()
            if name.startswith("at.")
        }
        for name in {"files", "not_written", "own_attempts"} & fields.keys():
            fields[name] = json.loads(fields[name])
        if "fingerprint" in fields:
            # A mark of the audio may follow.
            fields["fingerprint"] = fields["fingerprint"].partition(" ")[0]
        if record.get("error.code"):
            fields["error"] = {
                part: record.get(f"error.{part}", "") for part in ("code", "message", "stage")
            }
        return cls.model_validate(fields)


def _partly_known(request: dict[str, Any]) -> TranscriptionRequest:
    """A request of which we may know only a part.

    A newer producer may know fields that we do not, which must not keep us from the job, nor from
    those beside it. And a request that was refused is kept as it came, to be shown.
    """
    known = {
        name: value for name, value in request.items() if name in TranscriptionRequest.model_fields
    }
    try:
        return TranscriptionRequest.model_validate(known)
    except ValidationError:
        return TranscriptionRequest.model_construct(**request)
