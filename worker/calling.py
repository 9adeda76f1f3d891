"""The turn to call Amazon Transcribe, taken right before each call: the fleet keeps its rates."""

from __future__ import annotations

import time

from worker.admission import Operation
from worker.errors import NotYet
from worker.stages import Work

#: Seconds for which a thread waits for its turn; whatever comes later is due again then.
PATIENCE = 2.0
#: So often, in seconds, who waits looks whether to stop.
_STEP = 0.2


def take_turn(work: Work, operation: Operation, patience: float = PATIENCE) -> None:
    """Wait until an operation may be called once; whoever must be fenced is fenced after it.

    Raises:
        NotYet: if the turn would come later than in `patience` seconds.
        LeaseLost, HandBack: if the work is to stop.
    """
    seconds = work.worker.admission.take(operation, patience)
    if seconds > patience:
        raise NotYet("OwnRate", f"Our own rate of {operation} is used up.", seconds)
    pause(work, seconds)


def pause(work: Work, seconds: float) -> None:
    """Wait, but no longer than the work may go on.

    Raises:
        LeaseLost, HandBack: if the work is to stop.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        work.lease.check()
        work.lease.lost.wait(min(left, _STEP))
