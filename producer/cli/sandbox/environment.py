"""The environment of the worker of `transcribe local`: settings, Redis, and which AWS."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from dotenv import dotenv_values

from producer.cli import output
from producer.cli.sandbox.processes import Sandbox
from producer.client import Client
from producer.contract.job import TERMINAL_STATES
from producer.contract.request import TranscriptionRequest
from producer.contract.s3_uri import S3Uri
from producer.errors import InvalidSettings

_BUCKET = "transcribe-local"
#: By these a child could find the real AWS, or an account other than the emulator's.
_AWS_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)


def worker_settings(
    requests: Sequence[TranscriptionRequest],
    results: Path,
    *,
    env_file: Path | None,
    bucket: str | None,
    replace: bool,
) -> dict[str, str]:
    """The settings that the command chooses for its worker, over those of `.env`."""
    local_files = [Path(request.audio) for request in requests if not request.is_on_s3]
    # A symlink stands for the file that it leads to.
    roots = {str(path.resolve().parent) for path in local_files} or {str(Path.cwd())}
    settings = {
        **_dotenv(),
        "TRANSCRIBE_RESULTS_DIR": str(results.absolute()),
        # As JSON, for a folder's name may contain a colon.
        "TRANSCRIBE_AUDIO_ROOTS": json.dumps(sorted(roots)),
        # One person waits, for few files.
        "TRANSCRIBE_POLL_INTERVAL": "0.5",
        "TRANSCRIBE_DISPATCH_INTERVAL": "0.1",
        # Less than the sandbox waits, so that the worker can hand its jobs back.
        "TRANSCRIBE_STOP_GRACE": "10",
    }
    if env_file is not None:
        # The script's own poll interval counts then.
        settings["TRANSCRIBE_ENV_FILE"] = str(env_file.absolute())
    if bucket is not None:
        settings["TRANSCRIBE_BUCKET"] = bucket
    # A person who names a recording here may use it.
    buckets = {S3Uri(request.audio).bucket for request in requests if request.is_on_s3}
    if buckets:
        settings["TRANSCRIBE_AUDIO_BUCKETS"] = ",".join(sorted(buckets))
    if replace:
        settings["TRANSCRIBE_REPLACE_KEY"] = requests[0].key or ""
    return settings


def own_redis(sandbox: Sandbox) -> str:
    """The URL of the configured Redis, if nothing else uses it; else of a new one.

    Raises:
        InvalidSettings: if other workers or jobs use the configured Redis.
    """
    url = os.environ.get("TRANSCRIBE_REDIS_URL") or _dotenv().get("TRANSCRIBE_REDIS_URL")
    if not url:
        output.chatter("starting Redis ...")
        return sandbox.start_redis()
    with Client(url) as client:
        counts = client.counts()
        active = sum(count for state, count in counts.items() if state not in TERMINAL_STATES)
        if active or client.fleet.alive():
            raise InvalidSettings(
                f"Other workers or jobs use the Redis at {client.fleet.address} "
                "(TRANSCRIBE_REDIS_URL), and a local worker would join them: unset the variable, "
                "or name a Redis that nothing uses."
            )
    return url


def local_aws(sandbox: Sandbox) -> dict[str, str]:
    """Start the local AWS emulator; return what points a worker at it, and at nothing else."""
    output.chatter("starting the local AWS emulator ...")
    for name in list(os.environ):
        if name in _AWS_VARIABLES or name.startswith(("AWS_ENDPOINT_URL", "AWS_USE_")):
            del os.environ[name]
    # No proxy stands between processes of one machine.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    return {
        "AWS_ENDPOINT_URL": sandbox.start_localaws(_BUCKET),
        **sandbox.aws_keys,
        "AWS_DEFAULT_REGION": "us-east-1",
        # The user's own settings files may name another region or account.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TRANSCRIBE_BUCKET": _BUCKET,
        "TRANSCRIBE_ENV_FILE": "",
    }


def _dotenv() -> dict[str, str]:
    """The settings in `.env` here, for workers run in another folder; the environment overrides."""
    return {
        name: value
        for name, value in dotenv_values(".env").items()
        if name.startswith("TRANSCRIBE_") and value and name not in os.environ
    }
