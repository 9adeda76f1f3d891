"""Waiting for jobs to end: the event stream pushes, and a restart of Redis does no harm."""

import time
from collections.abc import Callable, Iterable, Iterator

from producer.backend.job_store import JobStore
from producer.contract.job import Job
from producer.errors import BrokerUnavailable, BrokerUnusable, JobNotFound, WaitTimeout

#: Seconds between two reads of all records: the stream may have dropped an event.
_RECHECK = 30.0
#: Seconds for which Redis may be gone before the wait fails; fewer before its first answer, so that
#: a wrong address shows soon.
_PATIENCE = 60.0
_PATIENCE_AT_FIRST = 10.0
_PAUSE = 0.5
#: Seconds between two calls of `meanwhile`.
_MEANWHILE = 1.0


def as_they_end(
    store: JobStore,
    job_ids: Iterable[str],
    timeout: float | None,
    *,
    cleaned: bool,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Job]:
    """Yield each job as it ends; arguments and errors are those of `Client.as_completed`."""
    pending = set(job_ids)
    limit = None if timeout is None else time.monotonic() + timeout
    # First the position in the stream, then the records: no event between the two is lost.
    last = ""
    suspects = set(pending)
    recheck = time.monotonic() + _RECHECK
    reached = time.monotonic()
    also, pause = (meanwhile, _MEANWHILE) if meanwhile else (lambda: None, _RECHECK)
    while True:
        also()
        try:
            last = last or store.last_event()
            ended = _ended(store, suspects, cleaned=cleaned)
            reached = time.monotonic()
        except BrokerUnavailable as error:
            if isinstance(error, BrokerUnusable) and not last:
                raise
            # A restart of Redis does not end the wait.
            if time.monotonic() - reached > (_PATIENCE if last else _PATIENCE_AT_FIRST):
                raise
            time.sleep(_PAUSE)
            ended = []
        for job in ended:
            pending.discard(job.id)
            yield job
        if not pending:
            return
        left = _left(limit, recheck, timeout, pending)
        if not last:
            continue
        try:
            events = store.events(last, min(left, pause))
        except BrokerUnavailable:
            suspects = set(pending)
            continue
        last = events[-1].id if events else last
        suspects = {event.job_id for event in events if event.state.is_terminal} & pending
        if time.monotonic() >= recheck:
            recheck = time.monotonic() + _RECHECK
            suspects = set(pending)


def _left(
    limit: float | None, recheck: float, timeout: float | None, pending: Iterable[str]
) -> float:
    """Seconds to listen for."""
    left = max(0.0, recheck - time.monotonic())
    if limit is None or timeout is None:
        return left
    if limit <= time.monotonic():
        waiting = sorted(pending)
        raise WaitTimeout(
            f"{len(waiting)} of the jobs had not ended after {timeout:g} s, such as "
            f"{waiting[0]!r}. They continue; wait again to see them end."
        )
    return min(left, limit - time.monotonic())


def _ended(store: JobStore, job_ids: set[str], *, cleaned: bool) -> list[Job]:
    ended = []
    for job_id, job in store.get_many(sorted(job_ids)).items():
        if job is None:
            raise JobNotFound(f"There is no job {job_id!r}.")
        unclean = job.request.cleanup and not (job.cleaned_at or job.cleanup_error)
        completed = job.state.has_result
        if job.state.is_terminal and not (cleaned and unclean and completed):
            ended.append(job)
    return ended
