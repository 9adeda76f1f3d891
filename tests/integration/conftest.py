"""Workers without their threads, for tests that do a stage's work themselves."""

from __future__ import annotations

import pytest

from tests.support.stack import Stack
from tests.support.stages import worker_of
from worker.runtime.context import Context


@pytest.fixture
def worker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    return worker_of(stack, monkeypatch)


@pytest.fixture
def slow(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A worker whose jobs do not end by themselves."""
    return worker_of(stack, monkeypatch, "fixed:600")
