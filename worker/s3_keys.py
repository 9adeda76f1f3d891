"""Where a job's objects are in S3, and which keys and audio a request may name.

Each job has a folder of its own beneath TRANSCRIBE_PREFIX, where no request may name anything. A
request may name a key elsewhere in the bucket: the audio goes to it, and the results beside it.
What says where an object goes raises Permanent if no request may name its key.
"""

import posixpath
from dataclasses import dataclass

from producer.contract.attempts import attempt_name, split_attempt
from producer.contract.formats import AWS_SUBTITLES, UNREDACTED, UNREDACTED_SUBTITLES
from producer.contract.job import Job
from producer.contract.options import MediaFormat
from producer.contract.s3_uri import S3Uri
from worker.errors import Permanent
from worker.settings import WorkerSettings

#: What Transcribe puts before the name of a redacted document.
REDACTED = "redacted-"
#: With this AWS tests its right to write, where Transcribe is to put a result.
WRITE_CHECK = ".write_access_check_file.temp"


@dataclass(frozen=True)
class WrittenObject:
    """An object that a request makes Transcribe write."""

    #: what it is in `files` of the job's record: `json`, which is the document that is collected,
    #: or one of `EXTRA_KINDS`
    kind: str
    uri: S3Uri


def jobs_folder(settings: WorkerSettings) -> S3Uri:
    """The folder that has a folder for each job."""
    return S3Uri(f"s3://{settings.bucket}/{settings.prefix}")


def own_folder(job_id: str, settings: WorkerSettings) -> S3Uri:
    """The folder of one job; all in it is this job's."""
    return S3Uri(f"{jobs_folder(settings)}{job_id}/")


def audio_uri(job: Job, settings: WorkerSettings, media_format: MediaFormat) -> S3Uri:
    """Where the audio goes: the key that the request names, else one in the job's own folder."""
    return _uri(job, settings, f"audio.{media_format}")


def output_uri(job: Job, settings: WorkerSettings) -> S3Uri:
    """Where Transcribe is asked to write the result; each attempt has its own."""
    # The first attempt's beside a key is where the original script has it, so that a job can be
    # adopted which that started.
    return S3Uri(f"{attempt_name(_uri(job, settings, job.id), job.attempt)}.json")


def _uri(job: Job, settings: WorkerSettings, name: str) -> S3Uri:
    key = requested_key(job, settings)
    folder = own_folder(job.id, settings)
    return S3Uri(f"{folder}{name}" if key is None else f"s3://{settings.bucket}/{key}")


def result_uri(job: Job, output: S3Uri) -> S3Uri:
    """Where Transcribe writes the document: with redaction, the object's name has a prefix."""
    if job.request.content_redaction is None:
        return output
    folder, _, name = output.rpartition("/")
    return S3Uri(f"{folder}/{REDACTED}{name}")


def output_of(job: Job, document: S3Uri) -> S3Uri:
    """The reverse of `result_uri`: where Transcribe was asked to write a document."""
    if job.request.content_redaction is None:
        return document
    folder, _, name = document.rpartition("/")
    return S3Uri(f"{folder}/{name.removeprefix(REDACTED)}")


def written_objects(job: Job, output: S3Uri) -> tuple[WrittenObject, ...]:
    """Every object that a job's request makes Transcribe write, but for the write check file.

    The document of the job is the first. AWS does not document which name subtitles get with
    redaction, so both are listed; what lies there without the prefix counts as unredacted.

    Args:
        job: whose request it is.
        output: where Transcribe is asked to write the result, as `output_uri` says.
    """
    redaction, subtitles = job.request.content_redaction, job.request.subtitles
    formats = subtitles.formats if subtitles is not None else ()
    document = result_uri(job, output)
    objects = [WrittenObject("json", document)]
    objects += [WrittenObject(AWS_SUBTITLES[each], _beside(document, each)) for each in formats]
    if redaction is not None:
        if redaction.redaction_output == "redacted_and_unredacted":
            objects.append(WrittenObject(UNREDACTED, output))
        objects += [
            WrittenObject(UNREDACTED_SUBTITLES[each], _beside(output, each)) for each in formats
        ]
    return tuple(objects)


def extra_kinds(job: Job) -> list[str]:
    """The kinds of what a job's request makes Transcribe write beside the document."""
    anywhere = S3Uri(f"s3://any/{job.aws_name}.json")
    return [each.kind for each in written_objects(job, anywhere)[1:]]


def write_check_uri(output: S3Uri) -> S3Uri:
    """Where AWS tests its right to write a result, with an empty object that it leaves there."""
    return S3Uri(f"{output.rpartition('/')[0]}/{WRITE_CHECK}")


def _beside(document: S3Uri, kind: str) -> S3Uri:
    return S3Uri(f"{document.removesuffix('.json')}.{kind}")


def requested_key(job: Job, settings: WorkerSettings) -> str | None:
    """The key that a job's request names for its audio; None if it names none.

    All that is written for the request lies in the folder of that key, so what holds for the key
    holds for each of those objects.

    Raises:
        Permanent: if it is beneath our own prefix, where every job has a folder of its own.
    """
    key = job.request.key
    if key is not None and key.rpartition("/")[2] == WRITE_CHECK:
        raise Permanent(
            "KeyReserved",
            f"Amazon Transcribe writes an empty {WRITE_CHECK} beside each result, so no audio can "
            "lie there: choose another key, or leave it out.",
        )
    if key is not None and is_beneath(key, settings.prefix):
        raise Permanent(
            "KeyReserved",
            f"The key {key} is beneath {settings.prefix}, where each job has a folder of its own "
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
        for kind in ("json", *AWS_SUBTITLES):
            stem = stem.removesuffix(f".{kind}")
        if stem == name:
            return f"{folder}{slash}{name}"
        name = stem


def check_audio(job: Job, uri: S3Uri, settings: WorkerSettings, *, rebuilt: bool) -> None:
    """Refuse audio on S3 that a request may not name, without a call of S3.

    Args:
        job: whose request it is.
        uri: where the audio is.
        settings: the worker's.
        rebuilt: the request is our own guess after a loss of Redis, which names the job's folder.

    Raises:
        Permanent: if the worker does not read its bucket, or it is beneath our own prefix.
    """
    if rebuilt and uri.startswith(own_folder(job.id, settings)):
        return
    allowed = settings.audio_buckets or (settings.bucket,)
    if uri.bucket not in allowed:
        raise Permanent(
            "OutsideAudioBuckets",
            f"This worker reads no audio from the bucket {uri.bucket} (TRANSCRIBE_AUDIO_BUCKETS): "
            "copy the recording, or have the bucket added.",
        )
    if uri.bucket == settings.bucket and is_beneath(uri.key, settings.prefix):
        raise Permanent(
            "AnothersAudio",
            f"{uri} is beneath {settings.prefix}, where each job keeps its own audio and "
            "results (TRANSCRIBE_PREFIX); name the recording itself.",
        )


def in_our_bucket(uri: S3Uri | None, settings: WorkerSettings) -> S3Uri | None:
    """The URI, if it is in the workers' bucket: what AWS answers may lie elsewhere, or nowhere."""
    return uri if uri is not None and uri.bucket == settings.bucket else None


def is_beneath(key: str, folder: str) -> bool:
    """Whether a key is beneath a folder, is it, or could be read so by an endpoint.

    To Amazon S3 `a//b`, `./a/b`, `x/../a/b` and `A/b` are four objects; other endpoints may resolve
    the path, or keep objects on a disk that ignores case.
    """
    return f"{_resolved(key)}/".startswith(f"{_resolved(folder)}/")


def _resolved(key: str) -> str:
    return posixpath.normpath(f"/{key.lstrip('/')}").casefold().rstrip("/")
