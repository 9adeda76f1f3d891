"""Real servers for the tests, and none of the user's settings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from producer.backend import scripts
from tests.support import redis_servers
from tests.support.stack import QuickSandbox, Stack

for _name in [name for name in os.environ if name.startswith(("AWS_", "TRANSCRIBE_", "CELERY_"))]:
    del os.environ[_name]
# No credentials or settings of the person who runs the tests, and no real AWS.
os.environ["AWS_CONFIG_FILE"] = os.devnull
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
redis_servers.use_the_usual()
# How long an example takes says how busy the machine is.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that are marked `redis` on each Redis."""
    if metafunc.definition.get_closest_marker("redis"):
        metafunc.parametrize("redis_server", redis_servers.EACH, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The redis-server that a marked test is to run on; what its module shares must ask for it."""
    if not hasattr(request, "param"):
        yield ""
        return
    with redis_servers.first_on_path(request.param, tmp_path_factory.mktemp("redis")) as program:
        yield program


@pytest.fixture
def stack(tmp_path: Path, redis_server: str) -> Iterator[Stack]:
    """A Redis of its own, and what the test starts on top of it."""
    with make_stack(tmp_path) as built:
        yield built


@pytest.fixture(autouse=True)
def commands_run(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold a test of commands in Lua against Redis: it must have run them."""
    marker = request.node.get_closest_marker("command")
    if marker is None:
        yield
        return
    stack: Stack = request.getfixturevalue("stack")
    yield
    sources = [scripts.load(name).source.encode() for name in marker.args]
    # The digest by which Redis knows a script.
    digests = [hashlib.sha1(source, usedforsecurity=False).hexdigest() for source in sources]
    known = stack.broker.command("SCRIPT", "EXISTS", *digests)
    assert dict(zip(marker.args, known, strict=True)) == dict.fromkeys(marker.args, 1)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """Redis, localaws with real recognition and one worker, for all tests of a module."""
    with make_stack(tmp_path_factory.mktemp("pipeline")) as built:
        built.start_aws()
        built.start_worker()
        yield built


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """Redis, localaws and one worker for all tests of a module; recognition takes no time."""
    with make_stack(tmp_path_factory.mktemp("served")) as built:
        built.start_aws("--recogniser", "fixed:0.3")
        built.start_worker()
        yield built


@pytest.fixture(scope="module")
def reusing(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stack]:
    """The same, with a worker that reuses results."""
    with make_stack(tmp_path_factory.mktemp("reusing")) as built:
        built.start_aws("--recogniser", "fixed:0.3")
        built.start_worker(reuse="tenant")
        yield built


@contextmanager
def make_stack(folder: Path) -> Iterator[Stack]:
    """A stack for the time of a `with`."""
    with QuickSandbox() as sandbox:
        built = Stack(sandbox, folder)
        try:
            yield built
        finally:
            built.close()
        # What is tried again hides what is broken: a stage may be interrupted, but never crash.
        assert built.crashes() == []
