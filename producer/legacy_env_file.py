"""The settings file of the original script (`transcribe.env`): of a request, and of a worker."""

import math
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from producer.errors import InvalidSettings


@dataclass(frozen=True)
class LegacySettings:
    """What the file says to a worker; None for what it leaves open."""

    bucket: str | None = None
    region: str | None = None
    #: access key and secret key
    credentials: tuple[SecretStr, SecretStr] | None = None
    #: in seconds
    poll_interval: float | None = None


def read_settings(path: Path) -> LegacySettings:
    """The file as settings of a worker, which TRANSCRIBE_ENV_FILE names.

    Raises:
        InvalidSettings: if it cannot be read, or with what is wrong in it.
    """
    try:
        values = _read(path)
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


def read_request(path: Path) -> dict[str, object]:
    """The file as fields of a request: LOCAL_AUDIO, S3_OBJECT and TRANSCRIPTION_JOB.

    LOCAL_AUDIO is relative to the current folder, as the script had it. Where it is not set, the
    audio is the object.

    Raises:
        InvalidSettings: if it cannot be read.
    """
    values = _read(path)
    fields = {
        "audio": values.get("LOCAL_AUDIO") or uploaded_object(path),
        "key": values.get("S3_OBJECT"),
        "name": values.get("TRANSCRIPTION_JOB"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def uploaded_object(path: Path) -> str | None:
    """The s3:// address of the object that S3_BUCKET and S3_OBJECT name; None if they do not.

    Raises:
        InvalidSettings: if the file cannot be read.
    """
    values = _read(path)
    bucket, key = values.get("S3_BUCKET"), values.get("S3_OBJECT")
    return f"s3://{bucket}/{key}" if bucket and key else None


def _read(path: Path) -> dict[str, str]:
    """The values of the file that are not empty."""
    if not path.is_file():
        raise InvalidSettings(f"There is no settings file {path}.")
    try:
        return {name: value for name, value in dotenv_values(path).items() if value}
    except (OSError, UnicodeDecodeError):
        raise InvalidSettings(f"{path} is not a settings file: it is not readable text.") from None


def _seconds(path: Path, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidSettings(f"SLEEP_TIME in {path} must be a number of seconds, such as 5.")
    return max(0.1, seconds)
