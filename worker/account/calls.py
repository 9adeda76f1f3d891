"""The permit to call Amazon Transcribe, taken right before each call: the fleet keeps its rates."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from producer.backend.schedule import clock
from producer.errors import BrokerUnavailable
from worker.account.admission import Operation, Token
from worker.aws.errors import may_still_arrive
from worker.aws.transcribe import Gate
from worker.errors import Snooze
from worker.runtime.runner import Work

log = structlog.get_logger()

#: Seconds for which a thread of a worker waits for a permit, longer than one rests; what is later
#: is due again then.
PATIENCE = 1.5
#: So often, in seconds, who waits looks whether to stop.
_STEP = 0.2
#: Seconds for which a permit rests, beside the usual one, after a call that nobody has answered:
#: the network may still deliver it.
_UNANSWERED = 10.0


def in_turn(work: Work, operation: Operation, patience: float | None = None) -> Gate:
    """What a call is sent within: see `permit`."""
    return lambda: permit(work, operation, patience)


@contextmanager
def permit(work: Work, operation: Operation, patience: float | None = None) -> Iterator[None]:
    """The time of one call, by somebody who still has the job as it begins.

    Args:
        work: what the call is for.
        operation: what is called.
        patience: seconds to wait in a thread other than the worker's own; those are not to wait all
            at once, nor for long.

    Raises:
        NotYet: if no permit is to be had in time.
        LeaseLost, HandBack: if the work is to stop.
    """
    taken = _taken(work, operation, patience)
    rest = 0.0
    try:
        yield
    except Exception as error:
        rest = _UNANSWERED if may_still_arrive(error) else 0.0
        raise
    finally:
        _give(work, taken, used=True, rest=rest)


def _taken(work: Work, operation: Operation, patience: float | None) -> Token:
    admission = work.worker.admission
    if patience is not None:
        return _waited_for(work, admission.acquire(operation, patience))
    room = admission.waiting_room[operation]
    if not room.acquire(blocking=False):
        return _waited_for(work, admission.acquire(operation, 0.0))
    try:
        return _waited_for(work, admission.acquire(operation, PATIENCE))
    finally:
        room.release()


def _waited_for(work: Work, taken: Token) -> Token:
    if not taken.id:
        raise Snooze("OwnRate", f"Our own rate of {taken.operation} is used up.", taken.wait)
    try:
        pause(work, taken.wait)
        # Once a job was cleaned up its name is free again: a late start would be a second bill, a
        # late delete would hit what came after.
        work.guard.fence()
        _not_too_late(taken)
    except BaseException:
        _give(work, taken, used=False)
        raise
    return taken


def _not_too_late(taken: Token) -> None:
    # Whoever was paused for long finds its permit with another.
    if clock() > taken.send_by:
        raise Snooze("TooLate", f"This worker is too busy to call {taken.operation}.", 0)


def _give(work: Work, taken: Token, *, used: bool, rest: float = 0.0) -> None:
    try:
        work.worker.admission.release(taken, used=used, rest=rest)
    except BrokerUnavailable as error:
        # It comes back by itself; what the call has brought about matters more.
        log.warning("redis.unavailable", reason=str(error))


def pause(work: Work, seconds: float) -> None:
    """Wait, but no longer than the work may go on.

    Raises:
        LeaseLost, HandBack: if the work is to stop.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        work.guard.check()
        work.guard.lost.wait(min(left, _STEP))
