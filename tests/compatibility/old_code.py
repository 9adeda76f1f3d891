"""The code of a released version, from git's history."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.redis_servers import REQUIRE

ROOT = Path(__file__).parents[2]
#: The commit of each release, for clones without tags.
COMMITS = {"0.1.0": "8f6a951dd809cf35a44dc3cf38416524c53cbe86"}
PACKAGES = ("producer", "worker")


def unpack(version: str, folder: Path) -> Path:
    """Unpack the packages of a version into a folder.

    Skips the test if this is no clone, or a shallow one. In CI a whole clone must have the commit.
    """
    commit = _commit(version)
    if commit is None:
        missing = f"The history here lacks {version}: git fetch --unshallow --tags."
        if os.environ.get(REQUIRE) and _git("rev-parse", "--is-shallow-repository") == "false":
            pytest.fail(missing)
        pytest.skip(missing)
    archive = folder / "code.tar"
    _git("archive", f"--output={archive}", commit, *PACKAGES)
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder


def _commit(version: str) -> str | None:
    for name in (f"refs/tags/v{version}", COMMITS[version]):
        if found := _git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"):
            return found
    return None


def _git(*arguments: str) -> str:
    """What git prints; nothing if it fails, or if this is no clone of ours."""
    if not (ROOT / ".git").exists():
        return ""
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
