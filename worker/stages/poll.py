"""Poll: which running jobs have ended, seen with as few calls as the account's quota deserves.

ListTranscriptionJobs sees a hundred running jobs a call. A job that is missing there has probably
ended: collect looks for its result. If that is not there, or no worker has looked, and the next
list lacks the job, too, the poll asks for it by name.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import structlog

from producer.backend.running import Snapshot
from producer.backend.schedule import clock
from producer.contract.job import TRANSCRIPTION_FAILED, Job, JobState
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from worker import s3_keys
from worker.account.calls import PATIENCE
from worker.account.poll_interval import ask_by_name, poll_interval
from worker.aws.errors import Unreachable
from worker.aws.transcribe import MAX_PAGES, Done, Failed, Running, Status
from worker.errors import Permanent, Snooze, StageError, Throttled
from worker.leases import LeaseLost
from worker.runtime.retry_delay import AFTER_ABANDONED
from worker.runtime.work import Handler, Work
from worker.stages.adoption import STARTED_EARLIER, ended_with

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
_NEW = {
    "result_uri": "",
    "started_at": "",
    "adopted": "",
    "keeps_write_check": "",
    STARTED_EARLIER: "",
}


class Poll(Handler):
    """TRANSCRIBING -> COLLECTING, for all jobs that AWS says have ended."""

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
        work.snooze(AFTER_ABANDONED)


def ended_jobs(work: Work, snapshot: Snapshot) -> Iterator[tuple[Job, Status | None]]:
    """The running jobs that AWS says are no longer at work, each with how it ended (None: gone)."""
    yield from _asked(work, suspects(work, snapshot))


def suspects(work: Work, snapshot: Snapshot) -> list[Job]:
    """The running jobs to ask for by name; others that may have ended it has collected."""
    worker = work.worker
    if ask_by_name(snapshot):
        return _records(work, list(snapshot.jobs))
    # Of a very low rate, a page comes seldom.
    gate = work.rate_limited("ListTranscriptionJobs", max(PATIENCE, 1.5 / snapshot.list_rate))
    listed = worker.quick_transcribe.running(gate)
    if listed is None:
        worker.running.listed(MAX_PAGES)
        return _records(work, random.sample(list(snapshot.jobs), min(_SAMPLE, len(snapshot.jobs))))
    if listed.pages != snapshot.pages:
        worker.running.listed(listed.pages)
    worker.admission.saw_running(listed.names.difference(snapshot.jobs.values()))
    missing = [job_id for job_id, name in snapshot.jobs.items() if name not in listed.names]
    jobs = _records(work, missing)
    collected = {job.id for job in jobs if _is_known_by_result(job)}
    collected.difference_update(
        worker.running.collect_missing(work.lease, sorted(collected), worker.settings.lease)
    )
    return [job for job in jobs if job.id not in collected]


def _records(work: Work, job_ids: Sequence[str]) -> list[Job]:
    return [job for job in work.worker.store.get_many(job_ids).values() if job is not None]


def _is_known_by_result(job: Job) -> bool:
    """Whether a job's result, once it is there, shows that the job has ended.

    Where AWS writes several objects, one can be there before the others; and nothing of a stopped
    job is collected.
    """
    if job.state is not JobState.TRANSCRIBING or job.result_uri is None:
        return False
    return len(s3_keys.written_objects(job, S3Uri(job.result_uri))) == 1


def _asked(work: Work, jobs: Iterable[Job]) -> Iterator[tuple[Job, Status | None]]:
    """Each of these that has ended, as soon as AWS says so; what lasts waits for the next poll.

    AWS may be out of reach, or slow, from this machine only: then another worker polls next.
    """
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="poll")
    gate = work.rate_limited("GetTranscriptionJob", _PATIENCE)
    status = work.worker.quick_transcribe.status
    asked = {pool.submit(status, job.aws_name, gate): job for job in jobs}
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
        fields = _done(work, job, outcome) if isinstance(outcome, Done) else {}
        if job.state is not JobState.TRANSCRIBING:
            # Cancelled or overdue while it ran; now that it has ended, its slot is free.
            work.worker.store.settle(work.lease, job.id, "ended", fields)
        elif isinstance(outcome, Failed):
            _failed(work, job, outcome)
        else:
            # Somebody may have deleted the job once it had ended; its result was paid for.
            fields = fields if outcome else {"gone": "yes"}
            work.advance_other(job, JobState.COLLECTING, **fields)
    except LeaseLost:
        if work.guard.lost.is_set():
            raise
        log.info("poll.job_stopped", job_id=job.id)


def _done(work: Work, job: Job, done: Done) -> dict[str, str]:
    """Where the result is, and what that says of whose it is."""
    found = job.result_uri
    if done.transcript_uri is not None:
        found = s3_keys.in_our_bucket(done.transcript_uri, work.worker.settings)
    return ended_with(job, found)


def _failed(work: Work, job: Job, outcome: Failed) -> None:
    if outcome.is_internal and job.attempt < MAX_ATTEMPTS:
        log.warning("job.restarted", job_id=job.id, attempt=job.attempt + 1, reason=outcome.reason)
        work.advance_other(job, JobState.READY, attempt=job.attempt + 1, **_NEW)
    else:
        work.fail(job, TRANSCRIPTION_FAILED, f"Amazon Transcribe: {outcome.reason}")
