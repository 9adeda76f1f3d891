"""The settings file of the original script (`transcribe.env`), as far as it is the worker's.

What it says of a request is the producer's, which reads the same file.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from producer.errors import InvalidSettings
from producer.legacy_env_file import read_values


@dataclass(frozen=True)
class LegacySettings:
    """What the file says; None for what it leaves open."""

    bucket: str | None = None
    region: str | None = None
    #: access key and secret key
    credentials: tuple[SecretStr, SecretStr] | None = None
    #: in seconds
    poll_interval: float | None = None


def read_settings(path: Path) -> LegacySettings:
    """Read the file.

    Raises:
        InvalidSettings: if it cannot be read, or with what is wrong in it.
    """
    try:
        values = {name: value for name, value in read_values(path).items() if value}
    except InvalidSettings as error:
        raise InvalidSettings(f"TRANSCRIBE_ENV_FILE: {error}") from None
    key, secret = values.get("AWS_ACCESS_KEY"), values.get("AWS_SECRET_KEY")
    if (key is None) != (secret is None):
        raise InvalidSettings(
            f"{path} must set both AWS_ACCESS_KEY and AWS_SECRET_KEY, or neither."
        )
    return LegacySettings(
        bucket=values.get("S3_BUCKET"),
        region=values.get("AWS_REGION"),
        credentials=(SecretStr(key), SecretStr(secret)) if key and secret else None,
        poll_interval=_seconds(path, values["SLEEP_TIME"]) if "SLEEP_TIME" in values else None,
    )


def _seconds(path: Path, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidSettings(f"SLEEP_TIME in {path} must be a number of seconds, such as 5.")
    return max(0.1, seconds)
