"""What can go wrong for a producer, one class a kind, one sentence a class.

TranscribeQueueError
├── InvalidRequest        no worker can ever do what the request says
├── InvalidSettings       a setting in the environment is missing or wrong
├── JobExists             a different request has the name
├── JobNotFound           no record has that id
├── DeadLetterNotFound    no dead letter has that id
├── WrongState            the job is not in a state that allows this
├── JobFailed             the job ended FAILED or CANCELLED, so it has no result
├── ResultUnavailable     the job is not finished, or its document is not kept here
├── BadTranscript         a result document is not what Amazon Transcribe writes
├── RecoveryFailed        the recovery of lost jobs failed
├── WaitTimeout           the jobs did not end before the timeout
└── BrokerUnavailable     Redis did not answer
    └── BrokerUnusable    Redis refuses us until a setting changes
"""

from copy import copy
from typing import Self


class TranscribeQueueError(Exception):
    """The base of every error this package raises on purpose."""

    #: What the command line exits with when this error ends it.
    exit_code = 2


class InvalidRequest(TranscribeQueueError):
    """No worker can ever do what the request says."""


class InvalidSettings(TranscribeQueueError):
    """A setting in the environment is missing or wrong."""


class JobExists(TranscribeQueueError):
    """A different request has the name."""


class JobNotFound(TranscribeQueueError):
    """No record has that id."""


class DeadLetterNotFound(TranscribeQueueError):
    """No dead letter has that id."""


class WrongState(TranscribeQueueError):
    """The job is not in a state that allows this."""


class JobFailed(TranscribeQueueError):
    """The job ended FAILED or CANCELLED, so it has no result."""

    exit_code = 1


class ResultUnavailable(TranscribeQueueError):
    """The job is not finished, or its document is not kept where this process can read it."""

    exit_code = 1


class BadTranscript(TranscribeQueueError):
    """A result document is not what Amazon Transcribe writes."""

    exit_code = 1


class RecoveryFailed(TranscribeQueueError):
    """The recovery of the jobs that Redis has lost failed."""

    exit_code = 1


class WaitTimeout(TranscribeQueueError):
    """The jobs did not end before the timeout."""

    exit_code = 3


class BrokerUnavailable(TranscribeQueueError):
    """Redis did not answer, or refuses work for now because it is full or still loading."""

    exit_code = 4

    #: Of submitting: whether the jobs are recorded; None if that is not known, and then
    #: submitting again under the same names is safe.
    accepted: bool | None = None
    #: Of submitting: the ids of the jobs, in order, also those that the client chose. A
    #: request of that `name` is the same job.
    job_ids: tuple[str, ...] = ()

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        #: whether Redis said so itself
        self.refused = refused

    def extended(self, sentence: str) -> Self:
        """The same error, that says one sentence more."""
        more = copy(self)
        more.args = (f"{self} {sentence}",)
        return more


class BrokerUnusable(BrokerUnavailable):
    """Redis refuses us until a setting changes, ours or its own."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(message, refused=True)
