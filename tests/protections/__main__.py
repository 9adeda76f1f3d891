"""Take each protection out of a copy of the project, in turn, and see its test fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.protections.catalogue import PROTECTIONS, Protection

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Try those whose test or file has a word of the command line in it; by default all."""
    words = sys.argv[1:]
    chosen = [
        each
        for each in PROTECTIONS
        if not words or any(word in f"{each.file} {each.test}" for word in words)
    ]
    useless = [each for each in chosen if not _goes_red(each)]
    print(f"{len(chosen) - len(useless)} of {len(chosen)} protections are needed by their test.")
    return 1 if useless or not chosen else 0


def _goes_red(protection: Protection) -> bool:
    with tempfile.TemporaryDirectory(prefix="protections-") as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "*cache*"))
        file = copy / protection.file
        file.write_text(protection.guard_removed(file.read_text()))
        started_at = time.monotonic()
        # PYTHONPATH, so that the copy's packages go before those that are installed, also in the
        # processes that the test starts.
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", protection.test],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "TMPDIR": folder},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    # 1: a test has failed. Anything else says that it was not run, or passed.
    red = done.returncode == 1
    name = protection.test.rpartition("::")[2]
    seconds = time.monotonic() - started_at
    print(f"{'red  ' if red else 'GREEN'} {seconds:4.0f} s  {protection.file}  {name}", flush=True)
    if done.returncode not in {0, 1}:
        print(done.stdout[-2000:])
    return red


if __name__ == "__main__":
    sys.exit(main())
