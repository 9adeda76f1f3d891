"""What a worker reports to `transcribe doctor` of its surroundings."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.stack import Stack
from tests.support.stages import worker_of
from tests.support.waiting import until
from worker.runtime.health import Health


@contextmanager
def no_room() -> Iterator[None]:
    """As on a full disk: this process can write no more than a few kilobytes to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16384, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_is_a_problem(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health(worker_of(stack, monkeypatch))
    with no_room():
        checks = until(health.checks)
    (results,) = [check for check in checks if check.subject == "results"]
    assert not results.ok
    assert results.message.endswith("make room.")
    assert list(stack.folder.iterdir()) == [stack.audio], "nothing is left of the trial"
