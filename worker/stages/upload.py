"""Upload: the audio is in S3, put there by us or there already."""

import time
from contextlib import suppress
from functools import partial

import structlog

from producer.backend.schedule import SEEN, SEEN_AT
from producer.contract.job import Job, JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from worker import s3_keys, stored_request
from worker.aws.errors import Denied
from worker.aws.etag import content_sha256
from worker.aws.objects import StoredObject
from worker.aws.transfer import PART_BYTES
from worker.errors import Permanent, Snooze, Transient
from worker.leases import LeaseLost
from worker.runtime.work import Handler, Work
from worker.stages import identity
from worker.stages.audio import LocalAudio, check_size, open_audio
from worker.stages.identity import StoredAudio
from worker.stages.ownership import delete_audio, may_replace, reserve_key
from worker.stages.result_paths import results_path
from worker.stamp import Stamp

log = structlog.get_logger()


class Upload(Handler):
    """UPLOADING -> READY, to wait for a slot; COLLECTING if a twin has its result."""

    stage = Stage.UPLOAD

    def max_large(self, concurrency: int) -> int:
        """A quarter of the threads, so that small recordings and other stages go on."""
        return max(1, concurrency // 4)

    def run(self, work: Work) -> None:
        """Check the audio, see to it that it is in S3, and queue the job for a slot."""
        if (known := identity.audio_known(work)) is not None:
            reuses = identity.is_identified(work)
            advance_uploaded(work, known, work.job.fingerprint if reuses else None)
        else:
            # First, for it may have to wait, and then nothing is uploaded twice.
            changed_at = identity.resources_changed_at(work)
            audio = upload_audio(work)
            advance_uploaded(work, audio, identity.fingerprint_of(work, audio, changed_at))
        work.worker.admit()


def upload_audio(work: Work) -> StoredAudio:
    """See to it that the audio is in S3; returns what is there.

    Raises:
        Permanent: if Transcribe cannot use it, or its key has other content.
        LimitReached: if it is large, and enough such are being uploaded.
        Snooze: if somebody may still be writing to it.
    """
    request, settings = work.job.request, work.worker.settings
    results_path(work.job, settings.results_dir)  # a bad one fails now, not once it is paid for
    if request.is_on_s3:
        reserve_key(work)
        rebuilt = "rebuilt" in work.lease.record
        uri = S3Uri(request.audio)
        s3_keys.check_audio(work.job, uri, settings, rebuilt=rebuilt)
        return identity.existing(uri, _check_object(work, uri))

    roots, kind = settings.audio_roots, request.media_format
    stamped = partial(_wait_until_quiet, work)
    with open_audio(request.audio, roots, kind, stamped=stamped) as audio:
        if audio.size >= PART_BYTES:
            work.limit_concurrency()
        uri = s3_keys.audio_uri(work.job, settings, audio.format)
        reserve_key(work)  # not while it waits: others may have their recordings ready
        sha256 = _upload(work, audio, uri)
        audio.check_unchanged()
    if audio.size >= PART_BYTES:
        abort_uploads(work, uri)
    return identity.uploaded(uri, sha256)


def advance_uploaded(work: Work, audio: StoredAudio, fingerprint: str | None = None) -> None:
    """Queue the job for a slot of the account, unless a twin has its result, or will have it.

    Raises:
        LeaseLost: if the job is not ours to move any more; if it was cleaned up meanwhile, what we
            have put into S3 is deleted.
    """
    try:
        identity.advance_identified(work, audio, fingerprint)
    except LeaseLost:
        job = work.worker.store.get_many([work.job.id])[work.job.id]
        if not work.job.request.is_on_s3 and job is not None and _is_cleaned(job):
            log.info("upload.undone", uri=audio.uri)
            delete_audio(work, audio.uri)
        raise


def _is_cleaned(job: Job) -> bool:
    return job.state is JobState.CANCELLED or (job.state.is_terminal and job.request.cleanup)


def _wait_until_quiet(work: Work, stamp: Stamp) -> None:
    """Snooze while the recording may still be written to.

    Clocks of file servers may be wrong, and each try may be another worker's. So the job's record
    keeps what a try saw, with the time by Redis's clock, for the next to compare with.
    """
    period, record = work.worker.settings.quiet_period, work.lease.record
    is_new = record.get(SEEN) != str(stamp)
    seen_for = 0.0 if is_new else work.lease.acquired_at - float(record[SEEN_AT])
    seconds = stamp.quiet_in(period, now=time.time(), seen_for=seen_for)
    if seconds > 0:
        message = f"Somebody may still be writing to the recording: it has {stamp.size} bytes now."
        raise Snooze("StillWritten", message, seconds, seen=str(stamp) if is_new else "")


def _upload(work: Work, audio: LocalAudio, uri: S3Uri) -> str:
    """Upload it, unless the same bytes are there; returns their SHA-256, in hex."""
    storage = work.worker.storage
    key_is_ours = work.job.request.key is None
    # Mostly nothing is there, and S3 says so as it is sent to. To overwrite even what an earlier
    # life of the job has put there would make the job at Transcribe seem another's.
    at_once = audio.size < PART_BYTES and storage.has_conditional_put
    if at_once and (sha256 := _put(work, audio, uri, only_new=True)):
        return sha256
    for _ in range(2):
        there = storage.head(uri)
        if there is not None:
            by_etag = not identity.is_identified(work)
            if storage.has_content(there, uri, audio.file, audio.size, by_etag=by_etag):
                log.info("upload.skipped", uri=uri, reason="the same bytes are there")
                return content_sha256(audio.file)
            if not key_is_ours and there.owner != work.job.id and not may_replace(work):
                raise Permanent(
                    "KeyTaken",
                    f"The object at {uri} is not {audio.path.name}. The worker left it alone: "
                    "choose another key, or, where the key is of a settings file (--env-file), "
                    "transcribe that object with --use-existing, or overwrite it with --replace.",
                )
        # What has come meanwhile may be ours, of a call whose answer was lost: see once more.
        if sha256 := _put(work, audio, uri, only_new=there is None):
            return sha256
    raise Transient("KeyTaken", f"Another program has just put an object at {uri}.")


def _put(work: Work, audio: LocalAudio, uri: S3Uri, *, only_new: bool) -> str | None:
    note = stored_request.encode(work.lease.record["request"])
    check = work.guard.check

    def started(upload_id: str) -> None:
        if not key_is_ours and not work.worker.store.record_upload(work.lease, upload_id):
            raise LeaseLost

    key_is_ours = work.job.request.key is None
    sha256 = work.worker.storage.put(
        audio.file, uri, work.job.id, check, note, started=started, only_new=only_new
    )
    if sha256 is not None:
        log.info("upload.done", uri=uri, bytes=audio.size)
    return sha256


def abort_uploads(work: Work, uri: S3Uri, *, beneath: bool = False) -> None:
    """Abort uploads in parts that a worker of the job did not end: it was killed, or got no answer.

    In the job's own folder all uploads are the job's. At a key that a request names, other
    software may have one under way, so the record lists those of the job before their first part.
    An upload whose worker was killed before that has no parts, which costs nothing.

    Args:
        work: at the job.
        uri: where its audio goes.
        beneath: `uri` is the job's own folder.
    """
    only = None if work.job.request.key is None else work.worker.store.uploads(work.job.id)
    try:
        aborted = work.worker.storage.abort_uploads(uri, beneath=beneath, only=only)
    except Permanent as error:
        # A policy from before this was needed is no reason not to go on.
        log.warning("upload.uploads_not_listed", code=error.code, reason=error.message)
    else:
        log.info("upload.uploads_aborted", number=aborted)


def _check_object(work: Work, uri: S3Uri) -> StoredObject | None:
    """Check audio that is used in place; returns what S3 says of it, if the worker may see it."""
    try:
        there = _head(work, uri)
    except Denied:
        # Transcribe reads it with other rights than ours; it will say so if it cannot.
        log.info("upload.object_hidden", uri=uri)
        return None
    if there is None:
        with suppress(Denied):
            work.worker.storage.bucket_region(uri)  # says so if it is the whole bucket that is gone
        raise Permanent("NoSuchObject", f"There is no object {uri}.")
    check_size(there.size, uri)
    return there


def _head(work: Work, uri: S3Uri) -> StoredObject | None:
    storage = work.worker.storage
    if not identity.is_identified(work):
        return storage.head(uri)
    try:
        return storage.head(uri, checksum=True)
    except Denied:  # perhaps only decrypting is forbidden, which a checksum needs
        return storage.head(uri)
