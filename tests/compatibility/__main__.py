"""Freeze what this version offers: `python -m tests.compatibility`, before it is tagged."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from producer.cli.sandbox.processes import Sandbox
from tests.compatibility.run import stored
from tests.compatibility.surface import SURFACE
from tests.support.stack import Stack

FOLDER = Path(__file__).parent


def main() -> int:
    """Write the files of the present version, unless it is released already."""
    present = version("transcribe-queue")
    tag = ["git", "rev-parse", "--quiet", "--verify", f"refs/tags/v{present}"]
    if subprocess.run(tag, capture_output=True, check=False).returncode == 0:
        sys.exit(f"{present} is released and stays as it is: raise the version in pyproject.toml.")
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        stack = Stack(sandbox, Path(folder))
        parts = {name: written() for name, written in SURFACE.items()} | {"stored": stored(stack)}
        stack.close()
    (FOLDER / present).mkdir(exist_ok=True)
    for name, part in parts.items():
        text = json.dumps(part, indent=1, ensure_ascii=False)
        (FOLDER / present / f"{name}.json").write_text(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
