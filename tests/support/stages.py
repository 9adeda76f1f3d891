"""Stages that a test takes up itself, as a worker does, and holds for as long as it likes."""

from __future__ import annotations

import pytest

from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.stack import Stack
from tests.support.waiting import until
from worker.runtime.context import Context
from worker.runtime.work import Work
from worker.settings import WorkerSettings
from worker.stages import start as starting
from worker.stages import upload as uploading


def worker_of(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, recogniser: str = "fixed:0.1"
) -> Context:
    """A worker's context without its threads, so that nothing renews its leases."""
    stack.start_aws("--recogniser", recogniser, "--quota", "start=off")
    return offline_worker(stack, monkeypatch)


def offline_worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The same for what asks Redis only: there is no AWS unless somebody has started one."""
    for name, value in {"AWS_DEFAULT_REGION": "us-east-1", **stack.environment}.items():
        monkeypatch.setenv(name, value)
    return Context(WorkerSettings.load())


def taken_up(worker: Context, stage: Stage, name: str) -> Work:
    """The work of a stage, begun by whoever finds it due."""

    def begun() -> Work | None:
        worker.schedule.dispatch(10)
        lease = worker.schedule.acquire(stage, name)
        if lease is None:
            return None
        with worker.leases.keep(lease) as guard:
            return Work(worker, lease, guard)

    work = until(begun)
    assert isinstance(work, Work)
    return work


def uploaded(worker: Context, stack: Stack, name: str = "one") -> Work:
    """The work of an upload that has just been done."""
    stack.client.submit(stack.sample("silence.wav"), name=name)
    upload = taken_up(worker, Stage.UPLOAD, name)
    upload.advance(JobState.READY, "ready", media_uri=uploading.upload_audio(upload))
    return upload


def started(worker: Context, stack: Stack, name: str = "one") -> None:
    """Bring a job to where Transcribe has it."""
    uploaded(worker, stack, name)
    until(lambda: name in worker.admission.admit())
    start = taken_up(worker, Stage.START, name)
    starting.advance_started(start, starting.start_or_adopt(start))
