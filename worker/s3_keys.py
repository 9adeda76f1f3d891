"""What a request may name in S3: keys for what it has us write, and audio to be used in place."""

from __future__ import annotations

import posixpath

from producer.contract.attempts import split_attempt
from producer.contract.job import Job
from producer.contract.s3_address import parse_uri
from worker.errors import Permanent
from worker.settings import WorkerSettings

#: What Transcribe puts before the name of a redacted document.
REDACTED = "redacted-"
#: With this AWS tests its right to write, where Transcribe was told to put a result.
WRITE_CHECK = ".write_access_check_file.temp"
#: The kinds of objects that Transcribe writes beside a key.
_WRITTEN = (".json", ".srt", ".vtt")


def is_beneath(key: str, folder: str) -> bool:
    """Whether a key lies beneath a folder, is it, or could be taken for such a one by an endpoint.

    To Amazon S3 `a//b`, `./a/b`, `x/../a/b` and `A/b` are four objects; what else speaks S3 may
    resolve the path, or keep objects on a disk that knows no capitals.
    """
    return f"{_resolved(key)}/".startswith(f"{_resolved(folder)}/")


def _resolved(key: str) -> str:
    return posixpath.normpath(f"/{key.lstrip('/')}").casefold().rstrip("/")


def requested_key(job: Job, prefix: str) -> str | None:
    """The key that a job's request names for its audio; None if it names none.

    All that is written for the request lies in the folder of that key, so what holds for the key
    holds for each of those objects.

    Args:
        job: whose request it is.
        prefix: what the keys that we choose begin with.

    Raises:
        Permanent: if it lies beneath our own prefix, where every job has a folder of its own.
    """
    key = job.request.key
    if key is not None and key.rpartition("/")[2] == WRITE_CHECK:
        raise Permanent(
            "KeyReserved",
            f"Amazon Transcribe writes an empty {WRITE_CHECK} beside each result, so no audio can "
            "lie there: choose another key, or leave it out.",
        )
    if key is not None and is_beneath(key, prefix):
        raise Permanent(
            "KeyReserved",
            f"The key {key} lies beneath {prefix}, where each job has a folder of its own "
            "(TRANSCRIBE_PREFIX): choose a key elsewhere, or leave it out.",
        )
    return key


def reserved_with(key: str) -> str:
    """What stands for a key and for all that is written beside it: one job at a time has it.

    `a`, `a.json`, `a.srt`, `redacted-a.json` and `a--try-2.json` are the same, for the audio of a
    request with the key `a.json` would lie where the result of one with the key `a` does.
    """
    folder, slash, name = key.rpartition("/")
    while True:
        stem = split_attempt(name)[0].removeprefix(REDACTED)
        for kind in _WRITTEN:
            stem = stem.removesuffix(kind)
        if stem == name:
            return f"{folder}{slash}{name}"
        name = stem


def check_audio(job: Job, uri: str, settings: WorkerSettings, *, rebuilt: bool) -> None:
    """Refuse audio on S3 that a request may not name; nothing is asked of S3.

    Args:
        job: whose request it is.
        uri: the s3:// address of the audio.
        settings: the worker's.
        rebuilt: the request is our own guess after a loss of Redis, which names the job's folder.

    Raises:
        Permanent: if it lies in a bucket that the worker does not read, or beneath our own prefix.
    """
    bucket, key = parse_uri(uri)
    if rebuilt and uri.startswith(f"s3://{settings.bucket}/{settings.prefix}{job.id}/"):
        return
    allowed = settings.audio_buckets or (settings.bucket,)
    if bucket not in allowed:
        raise Permanent(
            "OutsideAudioBuckets",
            f"The bucket {bucket} is not one that this worker takes audio from "
            "(TRANSCRIBE_AUDIO_BUCKETS); copy the recording, or have the bucket added.",
        )
    if bucket == settings.bucket and is_beneath(key, settings.prefix):
        raise Permanent(
            "AnothersAudio",
            f"{uri} lies beneath {settings.prefix}, where each job keeps its own audio and "
            "results (TRANSCRIBE_PREFIX); name the recording itself.",
        )
