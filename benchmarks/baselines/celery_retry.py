"""The plain Celery translation: the script's steps as a chain of tasks, waiting by `retry`.

    celery -A benchmarks.baselines.celery_retry worker --pool threads --concurrency 16

Threads, since all of it is waiting for AWS; Redis is broker and result backend.
"""

from __future__ import annotations

import os
import random
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from celery import Celery

from benchmarks.baselines import aws

CONCURRENCY = 16
#: Seconds between two polls of a job.
_INTERVAL = 5
_MAX_PAUSE = 60

_REDIS = os.environ.get("TRANSCRIBE_REDIS_URL", "redis://127.0.0.1:6379/0")

app = Celery("celery_retry", broker=_REDIS, backend=_REDIS)
# Celery's own advice for tasks that must not get lost and last long.
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, worker_pool="threads")


@cache
def _client(service: str) -> Any:
    # Trying again is Celery's here: calls that sleep in a thread would keep it from others.
    return aws.client(service, CONCURRENCY, attempts=1 if service == "transcribe" else 5)


def _later(task: Any, error: ClientError) -> Exception:
    """What to raise for a refusal: a retry, each time after a longer pause, if time mends it."""
    if not aws.is_refused_for_now(error):
        return error
    pause = min(2**task.request.retries, _MAX_PAUSE)
    retry: Exception = task.retry(
        countdown=random.uniform(pause / 2, pause),  # noqa: S311 - to spread the calls
        throw=False,
    )
    return retry


@app.task(bind=True, max_retries=None)
def upload(_self: Any, path: str, name: str) -> str:
    """Put the recording into S3."""
    with Path(path).open("rb") as audio:
        _client("s3").put_object(Bucket=aws.BUCKET, Key=f"audio/{name}.wav", Body=audio)
    return name


@app.task(bind=True, max_retries=None)
def start(self: Any, name: str) -> str:
    """Start the job, as soon as the account lets us."""
    try:
        aws.start(_client("transcribe"), name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConflictException":  # ours, of an earlier try
            raise _later(self, error) from error
    return name


@app.task(bind=True, max_retries=None)
def poll(self: Any, name: str) -> str:
    """Look whether the job has ended, and again in a while."""
    try:
        answer = _client("transcribe").get_transcription_job(TranscriptionJobName=name)
    except ClientError as error:
        raise _later(self, error) from error
    status = answer["TranscriptionJob"]["TranscriptionJobStatus"]
    if status == "FAILED":
        raise RuntimeError(answer["TranscriptionJob"]["FailureReason"])
    if status != "COMPLETED":
        raise self.retry(countdown=_INTERVAL)
    return name


@app.task
def fetch(name: str, results: str) -> str:
    """Write the result."""
    aws.fetch(_client("s3"), name, Path(results))
    return name


@app.task(bind=True, max_retries=None)
def clean(self: Any, name: str) -> str:
    """Delete audio, result and job."""
    try:
        aws.clean(_client("s3"), _client("transcribe"), name)
    except ClientError as error:
        raise _later(self, error) from error
    return name
