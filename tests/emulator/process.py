"""The emulator as a process of a sandbox, and requests to its administration."""

import base64
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from producer.cli.sandbox.processes import Sandbox

_ROOT = Path(__file__).parents[2]


def start_emulator(
    sandbox: Sandbox, bucket: str, *options: str, module: str = "tests.emulator"
) -> str:
    """Start the emulator with a bucket and further options; returns its URL.

    It answers only requests that are signed with the keys of the sandbox.
    """
    keys = {name.replace("AWS_", "LOCALAWS_", 1): key for name, key in sandbox.aws_keys.items()}
    log = sandbox.log("localaws")
    sandbox.start(
        "localaws",
        [sys.executable, "-m", module, "--port", "0", "--bucket", bucket, *options],
        {"PYTHONPATH": str(_ROOT), **keys},
        lambda: "http://" in log.read_text(),
    )
    return log.read_text().partition("listening on ")[2].split()[0]


def administer(
    sandbox: Sandbox, url: str, path: str, method: str = "GET", body: bytes | None = None
) -> Any:
    """Send a request to the administration of the emulator at `url`; returns its answer."""
    pair = ":".join(sandbox.aws_keys.values())
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    request = urllib.request.Request(  # noqa: S310 - our own endpoint
        f"{url}/_localaws/{path}", body, headers, method=method
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)
