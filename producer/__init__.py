"""Put transcription requests on the queue and read what comes of them.

>>> from producer import Client
>>> with Client() as client:
...     job = client.submit("interview.m4a", language="en-US")
...     client.wait(job.id)
...     print(client.result(job.id).text)
"""

from __future__ import annotations

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
