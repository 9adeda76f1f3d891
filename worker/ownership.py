"""Whose an object in S3 is: by our own mark, or by the job that a document of Transcribe names."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from producer.contract import Job

#: By so much S3's clock and Transcribe's may differ, and S3 tells times to the second.
_CLOCKS = timedelta(seconds=5)
#: How each document begins that Transcribe writes. Source: the samples in its developer guide, and
#: recorded documents.
_HEAD = re.compile(rb'\s*\{\s*"jobName"\s*:\s*"([0-9a-zA-Z._-]{1,200})"')


def job_named_in(head: bytes) -> str:
    """The Transcribe job that a document names at its beginning; '' if it is no such document."""
    match = _HEAD.match(head)
    return match[1].decode() if match else ""


def is_result(job: Job, job_name: str, modified_at: datetime) -> bool:
    """Whether a document is the result of a job's present attempt.

    Anybody may have put a document where a result is expected, and an earlier job of the name may
    have left one. So it must name the attempt's Transcribe job, and be no older than that.

    Args:
        job: one that was started.
        job_name: the Transcribe job that the document names.
        modified_at: when it was put there, by S3's clock.
    """
    return job_name == job.aws_name and is_since_start(job, modified_at)


def is_since_start(job: Job, modified_at: datetime) -> bool:
    """Whether an object was put there no earlier than a job's present attempt was started."""
    return modified_at + _CLOCKS >= (job.started_at or job.created_at)
