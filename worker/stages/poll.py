"""Poll: which running jobs have ended, seen with as few calls as the account's quota deserves.

ListTranscriptionJobs sees a hundred running jobs a call. A job that is missing there has probably
ended: its result object confirms it, else one Get.
"""

import random
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import structlog

from producer.backend.running import Snapshot
from producer.backend.schedule import clock
from producer.contract.job import TRANSCRIPTION_FAILED, Job, JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from worker.account.calls import PATIENCE
from worker.account.poll_interval import ask_by_name, poll_interval
from worker.aws.document_head import job_named_in
from worker.aws.errors import Unreachable
from worker.aws.transcribe import MAX_PAGES, Done, Failed, Running, Status
from worker.errors import Permanent, Snooze, StageError, Throttled
from worker.leases import LeaseLost
from worker.runtime.read_ahead import MAX_BYTES, present_attempt
from worker.runtime.retry_delay import MAX_RETRY_DELAY
from worker.runtime.work import Handler, Work
from worker.stages.adoption import ended_with
from worker.stages.ownership import is_result

log = structlog.get_logger()

#: Threads that ask about jobs at once, and seconds until the rest waits for the next poll.
_AT_ONCE = 16
_MAX_SECONDS = 5.0
#: Where the account's list has too many pages, the poll asks for so many jobs by name at a time.
_SAMPLE = 25
#: Seconds to wait for a token to ask for a job: the poll comes again anyway.
_PATIENCE = 0.5
#: Attempts of a job that the service itself broke.
MAX_ATTEMPTS = 3
#: What a record says of an attempt that another one does not share.
_NEW = {"result_uri": "", "started_at": "", "adopted": "", "keeps_write_check": ""}


class Poll(Handler):
    """TRANSCRIBING -> COLLECTING, for all jobs that have ended."""

    stage = Stage.POLL
    entry = "fleet"

    def run(self, work: Work) -> None:
        """Move the jobs that have ended, admit others to their slots, and poll again in a while."""
        worker = work.worker
        snapshot = worker.running.snapshot(worker.admission.limiter.limit("ListTranscriptionJobs"))
        ended = 0
        for job, outcome in ended_jobs(work, snapshot):
            advance_ended(work, job, outcome)
            ended += 1
        worker.admit()
        if ended == len(snapshot.jobs):
            work.complete()
        else:
            seconds = poll_interval(snapshot, shortest=worker.settings.poll_interval)
            work.snooze(seconds - (clock() - snapshot.seen_at))

    def abandon(self, work: Work, error: Permanent) -> None:
        """Poll again later: somebody may mend it, and no job is at fault."""
        log.error("poll.failed", code=error.code, reason=error.message)
        work.snooze(MAX_RETRY_DELAY)


def ended_jobs(work: Work, snapshot: Snapshot) -> Iterator[tuple[Job, Status | None]]:
    """The running jobs that are no longer at work, each with how it ended (None: it is gone).

    Raises:
        Transient, Permanent: as AWS's error is classified.
    """
    if ask_by_name(snapshot):
        yield from _confirmed(work, list(snapshot.jobs), by_object=False, to_ask=snapshot.jobs)
        return
    # Of a very low rate, a page comes seldom.
    gate = work.rate_limited("ListTranscriptionJobs", max(PATIENCE, 1.5 / snapshot.list_rate))
    listed = work.worker.quick.transcribe.running(gate)
    if listed is None:
        work.worker.running.listed(MAX_PAGES)
        some = random.sample(list(snapshot.jobs), min(_SAMPLE, len(snapshot.jobs)))
        yield from _confirmed(work, some, by_object=False, to_ask=some)
        return
    if listed.pages != snapshot.pages:
        work.worker.running.listed(listed.pages)
    work.worker.admission.saw_running(listed.names.difference(snapshot.jobs.values()))
    missing = [job_id for job_id, name in snapshot.jobs.items() if name not in listed.names]
    # What ends between two pages may move others up, from the next page to the one that was seen.
    # So what is missing for the first time, and has no result, is more likely at work than failed.
    several = listed.pages > 1 and missing
    to_ask = work.worker.running.missed_before(missing) if several else missing
    yield from _confirmed(work, missing, by_object=True, to_ask=to_ask)


def _confirmed(
    work: Work,
    suspects: Sequence[str],
    *,
    by_object: bool,
    to_ask: Collection[str],
) -> Iterator[tuple[Job, Status | None]]:
    """Each suspect that has ended, as soon as that is known; what lasts waits for the next poll.

    Of those that have no result, it asks by name only for those in `to_ask`.

    AWS may be out of reach, or slow, from this machine only: then another worker polls next.
    """
    jobs = [job for job in work.worker.store.get_many(suspects).values() if job is not None]
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="poll")
    asked = {
        pool.submit(_outcome, work, job, by_object=by_object, ask=job.id in to_ask): job
        for job in jobs
    }
    postponed: StageError | None = None
    try:
        for answer in as_completed(asked, timeout=_MAX_SECONDS):
            work.guard.check()
            job = asked[answer]
            try:
                outcome = answer.result()
            except (Snooze, Throttled) as error:
                # Those without a token must not withhold the answers of those that have one.
                postponed = error
                continue
            except Unreachable:
                raise
            except StageError as error:
                log.warning(
                    "poll.retried_later", job_id=job.id, code=error.code, reason=error.message
                )
                continue
            if not isinstance(outcome, Running):
                yield job, outcome
    except TimeoutError:
        raise Snooze(
            "PollCutShort", "AWS answers slowly; the next poll sees the rest.", 0
        ) from None
    finally:
        # A thread that still waits for an answer does so alone, and not for long.
        pool.shutdown(wait=False, cancel_futures=True)
    if postponed is not None:
        raise postponed


def advance_ended(work: Work, job: Job, outcome: Status | None) -> None:
    """Move a job that has ended at AWS to where it goes next."""
    try:
        if job.state is not JobState.TRANSCRIBING:
            # Cancelled or overdue while it ran; now that it has ended, its slot is free.
            fields = _done(work, job, outcome) if isinstance(outcome, Done) else {}
            work.worker.store.settle(work.lease, job.id, "ended", fields)
        elif isinstance(outcome, Done):
            fields = _done(work, job, outcome)
            work.advance_other(job, JobState.COLLECTING, Stage.COLLECT, **fields)
        elif isinstance(outcome, Failed):
            _failed(work, job, outcome)
        else:
            work.fail(job, "JobGone", "The Transcribe job was deleted by somebody else.")
    except LeaseLost:
        if work.guard.lost.is_set():
            raise
        log.info("poll.job_stopped", job_id=job.id)


def _done(work: Work, job: Job, done: Done) -> dict[str, str]:
    """Where the result is, and what that says of whose it is.

    A job that we adopted may write to another address than ours.
    """
    found = job.result_uri
    if done.transcript_uri is not None:
        is_in_bucket = done.transcript_uri.bucket == work.worker.settings.bucket
        found = done.transcript_uri if is_in_bucket else None
    return {"result_uri": found or job.result_uri or ""} | ended_with(job, found)


def _failed(work: Work, job: Job, outcome: Failed) -> None:
    if outcome.is_internal and job.attempt < MAX_ATTEMPTS:
        log.warning("job.restarted", job_id=job.id, attempt=job.attempt + 1, reason=outcome.reason)
        work.advance_other(job, JobState.READY, "ready", attempt=job.attempt + 1, **_NEW)
    else:
        work.fail(job, TRANSCRIPTION_FAILED, f"Amazon Transcribe: {outcome.reason}")


def _outcome(work: Work, job: Job, *, by_object: bool, ask: bool) -> Status | None:
    if by_object and _has_result(work, job, hidden=False):
        return Done(job.media_uri or "", None)
    if not ask:
        return Running(job.media_uri or "")
    gate = work.rate_limited("GetTranscriptionJob", _PATIENCE)
    status = work.worker.quick.transcribe.status(job.aws_name, gate)
    if status is None and _has_result(work, job, hidden=True):
        # Somebody deleted the job once it had ended; what it wrote was paid for. If we may not
        # read it, collect will say so.
        return Done(job.media_uri or "", None)
    return status


def _has_result(work: Work, job: Job, *, hidden: bool) -> bool:
    """Whether the result is there; `hidden` if S3 does not let us see that."""
    if job.result_uri is None:
        return False
    try:
        result, head = work.worker.quick.storage.read_head(S3Uri(job.result_uri), MAX_BYTES)
    except Permanent:
        return hidden
    if result is None or not is_result(job, job_named_in(head), result.modified_at):
        return False
    # Of a job that was stopped nothing is collected.
    if len(head) == result.size and job.state is JobState.TRANSCRIBING:
        work.worker.read_ahead.keep(present_attempt(job), head)
    return True
