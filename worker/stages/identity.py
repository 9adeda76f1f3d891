"""Identity: whether the result of a job is known, or on its way, so that none is paid for twice.

A job's fingerprint is of its audio, as a worker has read it or S3 says, and of all that Transcribe
hears. What a producer says of its audio is never used. Without certainty nothing is reused.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from producer.backend.connection import Argument
from producer.backend.identities import KnownResult, Offer, fingerprint_field, mark_of
from producer.backend.rate_limiter import Operation
from producer.contract.fingerprint import fingerprint
from producer.contract.formats import EXTRA_KINDS
from producer.contract.job import JobState
from producer.contract.options import LanguageIdSettings
from producer.contract.request import TranscriptionRequest
from producer.contract.s3_uri import S3Uri
from producer.transcript.transcript import Transcript
from worker.aws.objects import StoredObject
from worker.aws.transcribe import Resource
from worker.errors import Permanent, Snooze, StageError, Throttled
from worker.leases import LeaseLost
from worker.runtime.work import Work
from worker.stages.adoption import STARTED_EARLIER

log = structlog.get_logger()

#: Nobody chooses ETag and time so that so many are alike; more would cost memory of waiting jobs.
_MARK_CHARACTERS = 20
_OPERATIONS: Mapping[Resource, Operation] = {
    "vocabulary": "GetVocabulary",
    "vocabulary_filter": "GetVocabularyFilter",
    "language_model": "DescribeLanguageModel",
}


@dataclass(frozen=True)
class StoredAudio:
    """The audio of a job, in S3."""

    uri: S3Uri
    #: what identifies its bytes; None if nothing is certain
    content: str | None = None
    #: what shows that somebody has overwritten it; '' for what we have uploaded
    mark: str = ""


def uploaded(uri: S3Uri, sha256: str) -> StoredAudio:
    """Audio that this job has uploaded.

    Args:
        uri: where it is.
        sha256: of its bytes, as they were read, in hex.
    """
    return StoredAudio(uri, f"sha256:{sha256}")


def existing(uri: S3Uri, there: StoredObject | None) -> StoredAudio:
    """Audio that is used where it is; what S3 says of it is None if the worker may not see it.

    MD5, CRC and checksums of parts say nothing of other objects: many files can be made that have
    the same. An ETag says whether one object was overwritten. Where versions are kept, another
    may be put there for Transcribe and be deleted again, after which the object is as it was; so
    its result is no other object's.
    """
    if there is None:
        return StoredAudio(uri)
    if there.sha256 is not None and not there.is_versioned:
        content = f"sha256:{there.sha256}"
    elif there.version is not None:
        content = f"{uri}@version:{there.version}"
    else:
        content = f"{uri}@etag:{there.etag}"
    return StoredAudio(uri, content, _mark(there))


def _mark(there: StoredObject) -> str:
    said = f"{there.etag} {there.version} {there.modified_at.timestamp()}"
    return hashlib.sha256(said.encode()).hexdigest()[:_MARK_CHARACTERS]


def audio_known(work: Work) -> StoredAudio | None:
    """The audio of a job that waited for its twin, which is neither read nor uploaded again.

    An object that is not ours may be another one by now, so it is asked for again. Of a job that
    was at its twin's result the audio may be deleted already.

    Raises:
        Transient, Permanent: as S3's error is classified.
    """
    job = work.job
    if job.fingerprint is None or job.media_uri is None or job.request.is_on_s3:
        return None
    uri = S3Uri(job.media_uri)
    if JobState.COLLECTING in job.times and work.worker.storage.head(uri) is None:
        return None
    return StoredAudio(uri)


def is_identified(work: Work) -> bool:
    """Whether a job may have a fingerprint.

    One that names a `key` promises objects there, so it has no other job's result. Of one that was
    rebuilt after a loss of Redis nobody knows the whole request.
    """
    return (
        work.worker.settings.reuse != "off"
        and work.job.request.key is None
        and "rebuilt" not in work.lease.record
    )


def resources_changed_at(work: Work) -> dict[str, str] | None:
    """When what the request names at Transcribe was changed last; None if that is not known.

    Raises:
        Snooze, Throttled: if it can be read later.
    """
    if not is_identified(work):
        return None
    changed: dict[str, str] = {}
    for kind, name in sorted(set(_resources(work.job.request))):
        gate = work.rate_limited(_OPERATIONS[kind])
        try:
            moment = work.worker.transcribe.changed_at(kind, name, gate)
        except (Snooze, Throttled):
            raise
        except StageError as error:
            log.info("upload.not_identified", code=error.code, reason=error.message)
            return None
        changed[f"{kind} {name}"] = moment.isoformat()
    return changed


def _resources(request: TranscriptionRequest) -> Iterator[tuple[Resource, str]]:
    named: list[TranscriptionRequest | LanguageIdSettings] = [request]
    for each in [*named, *request.language_id_settings.values()]:
        if each.vocabulary_name is not None:
            yield "vocabulary", each.vocabulary_name
        if each.vocabulary_filter_name is not None:
            yield "vocabulary_filter", each.vocabulary_filter_name
        if each.language_model_name is not None:
            yield "language_model", each.language_model_name


def fingerprint_of(
    work: Work, audio: StoredAudio, changed_at: Mapping[str, str] | None
) -> str | None:
    """The fingerprint of a job; None if nothing is to be reused for it, or of it.

    Args:
        work: at its upload.
        audio: the job's.
        changed_at: as `resources_changed_at` has it.
    """
    if audio.content is None or changed_at is None or not is_identified(work):
        return None
    request = work.job.request
    tenant = request.tenant if work.worker.settings.reuse == "tenant" else None
    # Redis may have been used with an emulator before, which hears nothing, or something else.
    content = audio.content if work.worker.transcribe.is_amazon else f"emulator {audio.content}"
    return fingerprint(content, request, changed_at, tenant)


def advance_identified(work: Work, audio: StoredAudio, identity: str | None) -> None:
    """Queue a job for a slot of the account, unless it has its result from a twin, or waits for it.

    Args:
        work: at its upload, of which this is the end.
        audio: the job's.
        identity: its fingerprint; None if it has none.

    Raises:
        LeaseLost: if the job is not ours to move any more.
    """
    job = work.job
    fields: dict[str, Argument] = {"media_uri": audio.uri}
    if identity is None or job.request.fresh:
        if job.waits_for is not None:
            fields["waits_for"] = ""
        if identity is not None or job.fingerprint is not None:
            fields |= fingerprint_field(identity or "", audio.mark)
        work.advance(JobState.READY, **fields)
        return
    answer, twin = work.worker.identities.identify(work.lease, identity, fields, audio.mark)
    match answer:
        case "original":
            log.info("job.moved", job_id=job.id, state=JobState.READY.value)
        case "reuse":
            log.info("job.moved", job_id=job.id, state=JobState.COLLECTING.value)
            log.info("upload.reused", twin=twin)
        case "wait":
            log.info("upload.waits_for_twin", twin=twin)
        case "lost":
            raise LeaseLost


def offer(
    work: Work,
    transcript: Transcript,
    files: Mapping[str, Path],
    not_written: Sequence[str],
    uri: str | None,
) -> Offer | None:
    """The result that a job has for its twins; None if it has none.

    Args:
        work: at its collect.
        transcript: its result.
        files: where everything was written, by kind.
        not_written: kinds that the request asks for, and that Transcribe did not write.
        uri: where the document is in S3.

    Raises:
        Transient: if S3 does not answer.
    """
    job, settings = work.job, work.worker.settings
    if job.fingerprint is None or not is_identified(work):
        return None
    if job.adopted or work.lease.record.get(STARTED_EARLIER):
        return None
    if job.reused_from is None and _is_overwritten(work):
        log.info("collect.audio_overwritten", uri=job.media_uri)
        return None
    path = str(files["json"].relative_to(os.path.realpath(settings.results_dir)))
    result = KnownResult(
        job=job.id,
        path=path.removesuffix(".json"),
        uri=uri,
        digests={"json": document_digest(transcript)} | dict(_digests(files)),
        not_written=tuple(not_written),
    )
    # Another result that came meanwhile is one that somebody wanted fresh.
    only_over = None if job.request.fresh else job.reused_from or ""
    return Offer(job.fingerprint, result, settings.identity_retention, only_over)


def _is_overwritten(work: Work) -> bool:
    """Whether Transcribe may have read other audio than what the fingerprint is of."""
    job = work.job
    if not job.request.is_on_s3:
        return False
    try:
        there = work.worker.storage.head(S3Uri(job.request.audio))
    except Permanent:
        return True
    return there is None or _mark(there) != mark_of(work.lease.record)


def document_digest(transcript: Transcript) -> str:
    """The SHA-256 of a document, in hex."""
    return hashlib.sha256(transcript.render("json").encode()).hexdigest()


def _digests(files: Mapping[str, Path]) -> Iterable[tuple[str, str]]:
    for kind in EXTRA_KINDS:
        if kind in files:
            with files[kind].open("rb") as file:
                yield kind, hashlib.file_digest(file, "sha256").hexdigest()
