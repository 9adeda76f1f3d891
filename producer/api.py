"""The names that services import from `producer`."""

from producer.client import Client
from producer.contract.job import Job, JobError, JobState
from producer.contract.request import TranscriptionRequest
from producer.errors import (
    BadTranscript,
    BrokerUnavailable,
    BrokerUnusable,
    DeadLetterNotFound,
    InvalidRequest,
    InvalidSettings,
    JobExists,
    JobFailed,
    JobNotFound,
    RecoveryFailed,
    ResultUnavailable,
    TranscribeQueueError,
    WaitTimeout,
    WrongState,
)
from producer.transcript.transcript import Transcript

__all__ = [
    "BadTranscript",
    "BrokerUnavailable",
    "BrokerUnusable",
    "Client",
    "DeadLetterNotFound",
    "InvalidRequest",
    "InvalidSettings",
    "Job",
    "JobError",
    "JobExists",
    "JobFailed",
    "JobNotFound",
    "JobState",
    "RecoveryFailed",
    "ResultUnavailable",
    "TranscribeQueueError",
    "Transcript",
    "TranscriptionRequest",
    "WaitTimeout",
    "WrongState",
]
