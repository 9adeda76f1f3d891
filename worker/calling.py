"""The turn to call Amazon Transcribe, taken right before each call: the fleet keeps its rates."""

from __future__ import annotations

import time
from collections.abc import Callable

from worker.admission import Operation
from worker.errors import NotYet
from worker.stages import Work

#: Seconds for which a thread waits for its turn; whatever comes later is due again then.
PATIENCE = 2.0
#: Who wakes up so many seconds too late, on a busy machine, lets the turn pass, for the call would
#: meet those that come after it; and so many turns in a row.
_LATE = 0.02
_MOST_TURNS = 5
#: So often, in seconds, who waits looks whether to stop.
_STEP = 0.2


def in_turn(work: Work, operation: Operation, patience: float = PATIENCE) -> Callable[[], None]:
    """What a call passes right before it is sent: see `take_turn`."""
    return lambda: take_turn(work, operation, patience)


def take_turn(work: Work, operation: Operation, patience: float = PATIENCE) -> None:
    """Wait until an operation may be called once, by somebody who still has the job then.

    Raises:
        NotYet: if the turn would come later than in `patience` seconds.
        LeaseLost, HandBack: if the work is to stop.
    """
    for _ in range(_MOST_TURNS):
        asked_at = time.monotonic()
        seconds = work.worker.admission.take(operation, patience)
        if seconds > patience:
            raise NotYet("OwnRate", f"Our own rate of {operation} is used up.", seconds)
        # Redis has answered in between; when exactly, is known the less the longer that took.
        unsure = (time.monotonic() - asked_at) / 2
        turn = asked_at + unsure + seconds
        pause(work, turn - time.monotonic())
        if time.monotonic() - turn < _LATE + unsure:
            break
    else:
        raise NotYet("TooBusy", f"This worker is too busy to call {operation} in turn.", 0)
    # Once a job was cleaned up its name is free again: a late start would be a second bill, a late
    # delete would hit what came after.
    work.lease.fence()


def pause(work: Work, seconds: float) -> None:
    """Wait, but no longer than the work may go on.

    Raises:
        LeaseLost, HandBack: if the work is to stop.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        work.lease.check()
        work.lease.lost.wait(min(left, _STEP))
