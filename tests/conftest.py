"""Real servers for the tests, and none of the user's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stack import Stack

from producer.cli.sandbox import Sandbox

for _name in [name for name in os.environ if name.startswith(("AWS_", "TRANSCRIBE_", "CELERY_"))]:
    del os.environ[_name]
# No credentials or settings of whoever runs the tests, and no real AWS, by any way.
os.environ["AWS_CONFIG_FILE"] = os.devnull
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A Redis of its own, and what the test starts on top of it."""
    with make_stack(tmp_path) as built:
        yield built


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, localaws with real recognition and one worker, for all tests of a module."""
    with make_stack(tmp_path_factory.mktemp("pipeline")) as built:
        built.start_aws()
        built.start_worker()
        yield built


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, localaws and one worker for all tests of a module; recognition takes no time."""
    with make_stack(tmp_path_factory.mktemp("served")) as built:
        built.start_aws("--recogniser", "fixed:0.3")
        built.start_worker()
        yield built


@contextmanager
def make_stack(folder: Path) -> Iterator[Stack]:
    """A stack for the time of a `with`."""
    with Sandbox() as sandbox:
        built = Stack(sandbox, folder)
        try:
            yield built
        finally:
            built.close()
        # What is tried again hides what is broken: a stage may be interrupted, but never crash.
        assert built.crashes() == []
