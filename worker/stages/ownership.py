"""Whose an object in S3 is: by our own mark, or by the job that a document of Transcribe names.

All in a job's own folder is the job's, for no request names a key there. Beside a key that a
request names, a worker checks each object before it is overwritten or deleted.
"""

import shlex
from collections.abc import Iterable
from datetime import datetime, timedelta

from producer.contract.attempts import attempt_of
from producer.contract.job import NAME_USED, Job
from producer.contract.s3_uri import S3Uri
from worker import s3_keys
from worker.aws.document_head import HEAD_BYTES, job_named_in
from worker.aws.objects import StoredObject
from worker.errors import Permanent, Transient
from worker.runtime.work import Work

#: By so much S3's clock and Transcribe's may differ, and S3's times are in whole seconds.
_CLOCKS = timedelta(seconds=5)
#: Transcribe writes all objects of one job within this time.
_TOGETHER = timedelta(minutes=1)


def is_result(job: Job, job_name: str, modified_at: datetime) -> bool:
    """Whether a document is the result of a job's present attempt.

    Anybody may have put a document where a result is expected, and an earlier job of the name may
    have left one. So it must name the attempt's Transcribe job, and be no older than that.

    Args:
        job: one that was started.
        job_name: the Transcribe job that the document names.
        modified_at: when it was put there, by S3's clock.
    """
    return job_name == job.aws_name and is_since_start(job, modified_at)


def is_since_start(job: Job, modified_at: datetime) -> bool:
    """Whether an object was put there no earlier than a job's present attempt was started."""
    return modified_at + _CLOCKS >= (job.started_at or job.created_at)


def reserve_key(work: Work) -> None:
    """Reserve the key that a request names, and all that is written beside it.

    Raises:
        Transient: if another job has it.
        Permanent: if no request may name it.
    """
    key = s3_keys.requested_key(work.job, work.worker.settings)
    if key is None:
        return
    other = work.worker.store.reserve_key(s3_keys.reserved_with(key), work.job.id)
    if other:
        raise Transient("KeyInUse", f"The key {key} is in use by job {other}; this one waits.")


def check_free(work: Work, output: S3Uri) -> bool:
    """Check that Transcribe would overwrite nothing but what this job has written before.

    Args:
        work: what is about to start the job.
        output: the address that Transcribe writes the result to.

    Returns whether a write check file of AWS is there already.

    Raises:
        Permanent: if something else is where the job would write.
        Transient: if another job has the key.
    """
    if work.job.request.key is None:
        return False
    reserve_key(work)
    written = [each.uri for each in s3_keys.written_objects(work.job, output)]
    for uri, mine in _present(work, written).items():
        if not mine and not may_replace(work):
            raise _key_in_use(uri)
    check = work.worker.storage.head(s3_keys.write_check_uri(output))
    if check is not None and check.size > 0:
        raise _key_in_use(s3_keys.write_check_uri(output))
    return check is not None


def may_replace(work: Work) -> bool:
    """Whether the operator allows jobs to overwrite what others have at this job's key."""
    key = work.job.request.key
    return key is not None and key == work.worker.settings.replace_key


def ours(work: Work, uris: Iterable[S3Uri]) -> list[S3Uri]:
    """Of these objects, those that a job may delete; documents, which show whose all are, last."""
    job, settings = work.job, work.worker.settings
    folder = s3_keys.own_folder(job.id, settings)
    uris = list(dict.fromkeys(uris))
    elsewhere = [uri for uri in uris if not uri.startswith(folder)]
    present = _present(work, elsewhere) if elsewhere else {}
    allowed = [uri for uri in uris if present.get(uri) or uri.startswith(folder)]
    return sorted(allowed, key=_is_document)


def delete_audio(work: Work, uri: S3Uri) -> None:
    """Delete audio if this job has uploaded it."""
    there = work.worker.storage.head(uri)
    if there is not None and there.owner == work.job.id:
        work.worker.storage.delete(uri)


def _present(work: Work, uris: Iterable[S3Uri]) -> dict[S3Uri, bool]:
    """The objects that are there, each with whether it is this job's.

    Subtitles name no job. They are this job's if they were written together with a document of it:
    what somebody else has there has another age.
    """
    job, storage = work.job, work.worker.storage
    found: dict[S3Uri, bool] = {}
    written: list[datetime] = []
    for uri in sorted(uris, key=_is_document, reverse=True):
        if _is_document(uri):
            there, head = storage.read_head(uri, HEAD_BYTES)
            mine = attempt_of(job_named_in(head), job.id) is not None
            if there is not None and mine:
                written.append(there.modified_at)
        else:
            there = storage.head(uri)
            mine = there is not None and _is_written_with(job, uri, there, written)
        if there is not None:
            found[uri] = mine or there.owner == job.id
    return found


def _is_written_with(
    job: Job, uri: S3Uri, there: StoredObject, documents: Iterable[datetime]
) -> bool:
    if uri.endswith(f"/{s3_keys.WRITE_CHECK}"):
        was_started = job.started_at is not None and not job.keeps_write_check
        return was_started and there.size == 0 and is_since_start(job, there.modified_at)
    return any(abs(there.modified_at - moment) <= _TOGETHER for moment in documents)


def _is_document(uri: S3Uri) -> bool:
    return uri.endswith(".json")


def name_used(name: str) -> Permanent:
    """The error for a name that a Transcribe job with other media has."""
    return Permanent(
        NAME_USED,
        f"A Transcribe job named {name} exists in this account for other audio, or for audio "
        "that was there before. The worker left it alone: submit the job under another name.",
    )


def _key_in_use(uri: S3Uri) -> Permanent:
    return Permanent(
        "KeyTaken",
        f"{uri} is not a result of this job, and Amazon Transcribe would overwrite it. It was left "
        f"alone; choose another key, or delete it: {shlex.join(['aws', 's3', 'rm', uri])}",
    )
