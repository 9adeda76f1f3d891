"""Jobs with the same audio and options, for tests of reuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import recordings
from producer.contract.job import Job, JobState
from tests.support.stack import Stack
from tests.support.waiting import DEADLINE, until


def recording(stack: Stack, sound: str, name: str | None = None) -> Path:
    """A recording whose sound depends on a word."""
    folder = stack.audio / (name or sound)
    folder.mkdir(exist_ok=True)
    recordings.make(folder, [sound])
    return folder / f"{sound}.wav"


def submit(stack: Stack, sound: str, name: str, **options: Any) -> Job:
    return stack.client.submit(recording(stack, sound, name), name=name, **options)


def done(stack: Stack, sound: str, name: str, **options: Any) -> Job:
    submit(stack, sound, name, **options)
    return ended(stack, name)


def ended(stack: Stack, name: str) -> Job:
    job = stack.client.wait(name, timeout=DEADLINE, cleaned=True)[name]
    assert (job.state, job.error) == (JobState.COMPLETED, None)
    return job


def starts(stack: Stack) -> int:
    return int(stack.account()["accepted"])


def waits_for(stack: Stack, name: str, twin: str) -> None:
    until(lambda: stack.client.get(name).waits_for == twin, what=f"{name} waits for {twin}")
