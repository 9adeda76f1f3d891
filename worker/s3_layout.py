"""Where a job's objects are in S3."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from producer.contract.attempts import attempt_name
from producer.contract.job import Job
from producer.contract.options import MediaFormat
from worker.s3_keys import REDACTED, WRITE_CHECK, requested_key


@dataclass(frozen=True)
class WrittenObject:
    """An object that a request makes Transcribe write."""

    #: what it is in `files` of the job's record: `json` is the document that is collected,
    #: `aws.srt` and `aws.vtt` are AWS's own subtitles, `unredacted.…` holds what redaction hides
    kind: str
    uri: str


def audio_uri(job: Job, bucket: str, prefix: str, media_format: MediaFormat) -> str:
    """Where the audio goes: the key that the request names, else one in the job's own folder.

    Raises:
        Permanent: if the request names a key that is not for it.
    """
    key = requested_key(job, prefix) or f"{prefix}{job.id}/audio.{media_format}"
    return f"s3://{bucket}/{key}"


def own_folder(job: Job, bucket: str, prefix: str) -> str:
    """The folder of a job whose request names no key; all in it is this job's."""
    return f"s3://{bucket}/{prefix}{job.id}/"


def output_uri(job: Job, bucket: str, prefix: str) -> str:
    """What Transcribe is told as the place of the result; each attempt has its own.

    Raises:
        Permanent: if the request names a key that is not for it.
    """
    # The first attempt's beside a key is as the original script has it, so that a job which that
    # started can be adopted.
    key = requested_key(job, prefix) or f"{prefix}{job.id}/{job.id}"
    return f"s3://{bucket}/{attempt_name(key, job.attempt)}.json"


def result_uri(job: Job, output: str) -> str:
    """Where Transcribe writes the document: with redaction, the object's name has a prefix."""
    if job.request.content_redaction is None:
        return output
    folder, _, name = output.rpartition("/")
    return f"{folder}/{REDACTED}{name}"


def output_of(job: Job, document: str) -> str:
    """The reverse of `result_uri`: what Transcribe was told, where a document of the job lies."""
    if job.request.content_redaction is None:
        return document
    folder, _, name = document.rpartition("/")
    return f"{folder}/{name.removeprefix(REDACTED)}"


def uri_from_url(url: str, bucket: str) -> str | None:
    """The s3:// address of an object of our bucket, from the service's https:// address of it."""
    parts = urlsplit(url)
    path = unquote(parts.path.lstrip("/"))
    if parts.scheme == "s3":
        return url if parts.netloc == bucket else None
    if (parts.hostname or "").startswith(f"{bucket}.s3"):
        return f"s3://{bucket}/{path}"
    return f"s3://{path}" if path.startswith(f"{bucket}/") else None


def written_objects(job: Job, output: str) -> tuple[WrittenObject, ...]:
    """Every object that a job's request makes Transcribe write, but for the write check file.

    The document of the job is the first. Of subtitles with redaction AWS does not document which
    name they get, so both are listed; what lies there without the prefix counts as unredacted.

    Args:
        job: whose request it is.
        output: what Transcribe is told as the place of the result, as `output_uri` says.
    """
    redaction, subtitles = job.request.content_redaction, job.request.subtitles
    formats = subtitles.formats if subtitles is not None else ()
    document = result_uri(job, output)
    objects = [WrittenObject("json", document)]
    objects += [WrittenObject(f"aws.{each}", _beside(document, each)) for each in formats]
    if redaction is not None:
        if redaction.redaction_output == "redacted_and_unredacted":
            objects.append(WrittenObject("unredacted.json", output))
        objects += [WrittenObject(f"unredacted.{each}", _beside(output, each)) for each in formats]
    return tuple(objects)


def write_check_uri(output: str) -> str:
    """Where AWS tests its right to write a result, with an empty object that it leaves there."""
    return f"{output.rpartition('/')[0]}/{WRITE_CHECK}"


def _beside(document: str, kind: str) -> str:
    return f"{document.removesuffix('.json')}.{kind}"
