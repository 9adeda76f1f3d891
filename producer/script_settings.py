"""The settings file of the original script (`transcribe.env`), as far as it is the producer's.

Keys, region, bucket and poll interval in it are the worker's, which reads the same file.
"""

from __future__ import annotations

from pathlib import Path

from dotenv import dotenv_values

from producer.errors import InvalidSettings


def read_request(path: Path) -> dict[str, object]:
    """The file as fields of a request: LOCAL_AUDIO, S3_OBJECT and TRANSCRIPTION_JOB.

    LOCAL_AUDIO is relative to the current folder, as the script had it.

    Raises:
        InvalidSettings: if there is no such file, or it names no audio.
    """
    if not path.is_file():
        raise InvalidSettings(f"There is no settings file {path}.")
    try:
        values = dotenv_values(path)
    except UnicodeDecodeError:
        raise InvalidSettings(f"{path} is not a settings file: it is not text.") from None
    fields: dict[str, object] = {}
    bucket, key = values.get("S3_BUCKET"), values.get("S3_OBJECT")
    if audio := values.get("LOCAL_AUDIO"):
        fields["audio"] = audio
    elif bucket and key:
        # The script uploads only what is not there yet.
        fields["audio"] = f"s3://{bucket}/{key}"
    if key:
        fields["key"] = key
    if name := values.get("TRANSCRIPTION_JOB"):
        fields["name"] = name
    return fields
