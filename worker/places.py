"""Where a job's objects are in S3."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from producer.contract import Job
from producer.options import MediaFormat


def audio_uri(job: Job, bucket: str, prefix: str, media_format: MediaFormat) -> str:
    """Where the audio goes: the key that the request names, else one in the job's own folder."""
    key = job.request.key or f"{prefix}{job.id}/audio.{media_format}"
    return f"s3://{bucket}/{key}"


def audio_folder(job: Job, bucket: str, prefix: str) -> str:
    """What the address of the audio begins with, whatever its format: a key, or a folder."""
    return f"s3://{bucket}/{job.request.key or f'{prefix}{job.id}/'}"


def output_uri(job: Job, bucket: str, prefix: str) -> str:
    """What Transcribe is told as the place of the result; each attempt has its own."""
    if job.request.key is None:
        key = f"{prefix}{job.id}/{job.aws_name}.json"
    elif job.attempt == 1:
        # As the original script has it, so that a job it started can be adopted.
        key = f"{job.request.key}.json"
    else:
        key = f"{job.request.key}.{job.attempt}.json"
    return f"s3://{bucket}/{key}"


def result_uri(job: Job, output: str) -> str:
    """Where Transcribe writes the document: with redaction, the object's name has a prefix."""
    if job.request.content_redaction is None:
        return output
    folder, _, name = output.rpartition("/")
    return f"{folder}/redacted-{name}"


def uri_from_url(url: str, bucket: str) -> str | None:
    """The s3:// address of an object of our bucket, from the service's https:// address of it."""
    parts = urlsplit(url)
    path = unquote(parts.path.lstrip("/"))
    if parts.scheme == "s3":
        return url if parts.netloc == bucket else None
    if (parts.hostname or "").startswith(f"{bucket}.s3"):
        return f"s3://{bucket}/{path}"
    return f"s3://{path}" if path.startswith(f"{bucket}/") else None


def left_behind(job: Job, output: str) -> list[str]:
    """Every object that Transcribe may have written for a job, the document among them."""
    folder, _, name = output.rpartition("/")
    names = [name]
    if job.request.content_redaction is not None:
        names.append(f"redacted-{name}")
    if job.request.subtitles is not None:
        stems = [each.removesuffix(".json") for each in names]
        names += [f"{stem}.{kind}" for stem in stems for kind in job.request.subtitles.formats]
    # AWS tests its right to write with an empty object of this name, and leaves it there.
    names.append(".write_access_check_file.temp")
    return [f"{folder}/{each}" for each in names]
