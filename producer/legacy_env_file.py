"""The settings file of the original script (`transcribe.env`), the producer's part of it.

The worker reads keys, region, bucket and poll interval from the same file.
"""

from pathlib import Path

from dotenv import dotenv_values

from producer.errors import InvalidSettings


def read_request(path: Path) -> dict[str, object]:
    """The file as fields of a request: LOCAL_AUDIO, S3_OBJECT and TRANSCRIPTION_JOB.

    LOCAL_AUDIO is relative to the current folder, as the script had it. Where it is not set, the
    audio is the object.

    Raises:
        InvalidSettings: if there is no such file.
    """
    values = read_values(path)
    fields: dict[str, object] = {}
    if audio := values.get("LOCAL_AUDIO") or uploaded_object(path):
        fields["audio"] = audio
    if key := values.get("S3_OBJECT"):
        fields["key"] = key
    if name := values.get("TRANSCRIPTION_JOB"):
        fields["name"] = name
    return fields


def uploaded_object(path: Path) -> str | None:
    """The s3:// address of the object that S3_BUCKET and S3_OBJECT name; None if they do not.

    Raises:
        InvalidSettings: if there is no such file.
    """
    values = read_values(path)
    bucket, key = values.get("S3_BUCKET"), values.get("S3_OBJECT")
    return f"s3://{bucket}/{key}" if bucket and key else None


def read_values(path: Path) -> dict[str, str | None]:
    """Read all values of the file.

    Raises:
        InvalidSettings: if there is no such file, or it is not readable text.
    """
    if not path.is_file():
        raise InvalidSettings(f"There is no settings file {path}.")
    try:
        return dotenv_values(path)
    except (OSError, UnicodeDecodeError):
        raise InvalidSettings(f"{path} is not a settings file: it is not readable text.") from None
