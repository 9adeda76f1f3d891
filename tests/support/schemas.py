"""Files held against the published schemas that check-jsonschema carries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import DEADLINE


def check_schema(file: Path, schema: str) -> subprocess.CompletedProcess[str]:
    """Check a file by a schema that is built in, such as `compose-spec`."""
    # No network: a proxy that is not there would be asked for anything that is not on this disk.
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    return subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", f"vendor.{schema}", str(file)),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **nowhere},
        timeout=DEADLINE,
    )
