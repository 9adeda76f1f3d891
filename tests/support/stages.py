"""Stages that a test works on itself: it acquires the lease as a worker does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from producer.backend import keys
from producer.backend.schedule import clock
from producer.contract.job import JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import FLEET, Stage
from tests.support.stack import Stack
from tests.support.waiting import until
from worker.aws.s3 import Storage
from worker.runtime.context import Context
from worker.runtime.work import Work
from worker.settings import WorkerSettings
from worker.stages import poll as polling
from worker.stages import start as starting
from worker.stages import upload as uploading
from worker.stages.collect import Collect

#: Seconds, longer than any test under any load: a lease ends when a test calls `expire_lease`.
LEASE = 600.0


def worker_of(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, recogniser: str = "fixed:0.1"
) -> Context:
    """A worker's context without its threads, so that nothing extends its leases."""
    stack.start_aws("--recogniser", recogniser, "--quota", "start=off")
    return offline_worker(stack, monkeypatch)


def offline_worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The same for tests that need Redis only: AWS runs if the test has started it."""
    own = {"AWS_DEFAULT_REGION": "us-east-1", "TRANSCRIBE_LEASE": str(LEASE)}
    for name, value in {**stack.environment, **own}.items():
        monkeypatch.setenv(name, value)
    return Context(WorkerSettings.load())


def acquired_work(worker: Context, stage: Stage, name: str) -> Work:
    """The work of a stage, with its lease, once it is due."""

    def acquire() -> Work | None:
        worker.schedule.dispatch(10)
        lease = worker.schedule.acquire(stage, name)
        if lease is None:
            return None
        with worker.leases.keep(lease) as guard:
            return Work(worker, lease, guard)

    work = until(acquire)
    assert isinstance(work, Work)
    return work


def expire_lease(work: Work) -> None:
    """Let its lease expire, as if the worker had been paused for a little longer than that."""
    work.guard.expires_at = clock()
    schedule = keys.SCHEDULE(work.lease.stage)
    entry = (work.now(), work.lease.entry_id)
    assert work.worker.store.broker.command("ZADD", schedule, "XX", "CH", *entry)


def content(storage: Storage, uri: S3Uri) -> bytes:
    """What an object has."""
    with storage.open(uri) as found:
        return found.read()


def uploaded(worker: Context, stack: Stack, name: str = "one", **options: Any) -> Work:
    """The work of an upload that has just been done."""
    stack.client.submit(stack.sample("silence.wav"), name=name, **options)
    upload = acquired_work(worker, Stage.UPLOAD, name)
    upload.advance(JobState.READY, media_uri=uploading.upload_audio(upload).uri)
    return upload


def started(worker: Context, stack: Stack, name: str = "one", **options: Any) -> None:
    """Start the Transcribe job of a job."""
    uploaded(worker, stack, name, **options)
    until(lambda: name in worker.admission.capacity.admit())
    start = acquired_work(worker, Stage.START, name)
    starting.advance_started(start, starting.start_or_adopt(start))


def poll_once(worker: Context, *, lacks: Sequence[str] = (), lists: bool = True) -> list[str]:
    """Poll once, by the list or by name; returns the jobs that AWS says have ended.

    Args:
        worker: who polls.
        lacks: jobs that run, and that a list of several pages lacks all the same.
        lists: whether to list what runs, however few that are.
    """
    work = acquired_work(worker, Stage.POLL, FLEET)
    snapshot = worker.running.snapshot("5")
    jobs = snapshot.jobs | dict.fromkeys(lacks, "slipped-to-another-page")
    snapshot = replace(snapshot, jobs=jobs, is_shared=lists)
    ended = list(polling.ended_jobs(work, snapshot))
    for job, outcome in ended:
        polling.advance_ended(work, job, outcome)
    work.snooze(0)
    return [job.id for job, _ in ended]


def collect_once(worker: Context, name: str) -> None:
    """Have a worker collect a job, or look for its result in vain."""
    Collect().run(acquired_work(worker, Stage.COLLECT, name))


def end_transcription(worker: Context, start: Work, **fields: str) -> None:
    """Let the poll see that a job that was just started has ended: it is to be collected."""
    start.advance(JobState.TRANSCRIBING, **fields)
    poll = acquired_work(worker, Stage.POLL, FLEET)
    poll.advance_other(worker.store.get(start.job.id), JobState.COLLECTING)
    poll.complete()
