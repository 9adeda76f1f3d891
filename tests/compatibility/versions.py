"""The frozen versions: a folder each, written by `python -m tests.compatibility`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
#: The newest last.
VERSIONS = sorted(
    (path.name for path in FOLDER.glob("[0-9]*")),
    key=lambda name: [int(number) for number in name.split(".")],
)


def frozen(version: str, part: str) -> Any:
    """A part of what a version offered."""
    return json.loads((FOLDER / version / f"{part}.json").read_text())
