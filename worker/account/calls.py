"""Calls to Transcribe, each with a token acquired right before it: the fleet keeps its rates."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from producer.backend.rate_limiter import Operation, Token
from producer.backend.schedule import clock
from producer.errors import BrokerUnavailable
from worker.account.admission import Admission
from worker.aws.errors import may_still_arrive
from worker.errors import Snooze
from worker.leases import LeaseGuard

log = structlog.get_logger()

#: Seconds for which a thread of a worker waits for a token, longer than one rests; work that would
#: wait longer snoozes.
PATIENCE = 1.5
#: Seconds for which a token rests, beside the usual one, after a call without an answer: the
#: network may still deliver it.
_UNANSWERED = 10.0


@contextmanager
def rate_limited(
    admission: Admission, guard: LeaseGuard, operation: Operation, patience: float | None = None
) -> Iterator[None]:
    """The time of one call, by work that still has its lease as the call begins.

    Args:
        admission: the fleet's rate limiter.
        guard: the lease of the work that the call is for.
        operation: what is called.
        patience: seconds to wait in a thread other than the worker's own; those are not to wait all
            at once, nor for long.

    Raises:
        Snooze: if no token is free in time.
        LeaseLost, ShuttingDown: if the work has to stop.
    """
    token = _acquire(admission, guard, operation, patience)
    rest = 0.0
    try:
        yield
    except Exception as error:
        rest = _UNANSWERED if may_still_arrive(error) else 0.0
        raise
    finally:
        _release(admission, token, used=True, rest=rest)


def _acquire(
    admission: Admission, guard: LeaseGuard, operation: Operation, patience: float | None
) -> Token:
    if patience is not None:
        return _wait_for(admission, guard, admission.limiter.acquire(operation, patience))
    room = admission.waiting_room[operation]
    if not room.acquire(blocking=False):
        return _wait_for(admission, guard, admission.limiter.acquire(operation, 0.0))
    try:
        return _wait_for(admission, guard, admission.limiter.acquire(operation, PATIENCE))
    finally:
        room.release()


def _wait_for(admission: Admission, guard: LeaseGuard, token: Token) -> Token:
    if not token.id:
        raise Snooze("OwnRate", f"Our own rate of {token.operation} is used up.", token.wait)
    try:
        guard.sleep(token.wait)
        # Once a job was cleaned up its name is free again: a late start would be a second bill, a
        # late delete would hit what came after.
        guard.fence()
        _check_in_time(token)
    except BaseException:
        _release(admission, token, used=False)
        raise
    return token


def _check_in_time(token: Token) -> None:
    # The token of a process that was paused for long is another worker's by now.
    if clock() > token.send_by:
        raise Snooze("TooLate", f"This worker is too busy to call {token.operation}.", 0)


def _release(admission: Admission, token: Token, *, used: bool, rest: float = 0.0) -> None:
    try:
        admission.limiter.release(token, used=used, rest=rest)
    except BrokerUnavailable as error:
        # It comes back by itself; what the call has brought about matters more.
        log.warning("redis.unavailable", reason=str(error))
