"""The original script's settings file on the command line: which recording it names."""

import os
import shlex
from pathlib import Path

from producer.cli import output
from producer.errors import InvalidRequest
from producer.legacy_env_file import read_request, uploaded_object


def audio_of(env_file: Path, *, here: bool, use_existing: bool) -> str:
    """The recording that a settings file names: LOCAL_AUDIO, or the object at S3_OBJECT.

    Args:
        env_file: the settings file.
        here: whether LOCAL_AUDIO would be on this machine; if it is gone, the object is used.
        use_existing: use the object, and ignore LOCAL_AUDIO.

    Raises:
        InvalidRequest: if it names none.
        InvalidSettings: if there is no such file.
    """
    existing = uploaded_object(env_file)
    if use_existing:
        if existing is None:
            raise InvalidRequest(
                f"--use-existing needs the object that S3_BUCKET and S3_OBJECT name, and "
                f"{env_file} does not set both."
            )
        return existing
    audio = read_request(env_file).get("audio")
    if audio is None:
        raise InvalidRequest(f"{env_file} sets no LOCAL_AUDIO: set it, or name a file.")
    path = str(audio)
    is_here = os.path.exists(path)  # noqa: PTH110 - does not raise in an unreadable folder
    if is_here or not here or existing is None or path == existing:
        return path
    # The script did so too: it asked S3 first.
    output.chatter(f"there is no file {path}: transcribing {existing}")
    return existing


def how_to_replace(env_file: Path) -> str:
    """What to type to overwrite an object, which no request may ask of a worker."""
    local = shlex.join(["transcribe", "local", "--aws", "--env-file", str(env_file), "--replace"])
    audio, existing = read_request(env_file).get("audio"), uploaded_object(env_file)
    copy = shlex.join(["aws", "s3", "cp", str(audio), str(existing)])
    return (
        "no request may make workers overwrite objects of other software: type "
        f"`{local}`, or `{copy}` and submit with --use-existing"
    )
