"""Retry delays: how long an entry waits after a failure until it is tried again."""

import random

#: Seconds; the longest that anything waits after a transient failure.
MAX_RETRY_DELAY = 30.0
#: Seconds from a crash, or the loss of a process, to the next try.
AFTER_CRASH = 5.0
#: Seconds until what failed for good is tried again, where it must not end: the poll, and a start
#: that may have been carried out.
AFTER_ABANDONED = 30.0
#: Seconds from a crash of one of the dispatcher's duties to the next try: leases wait for them.
AFTER_DUTY_CRASH = 1.0
#: Seconds for which nobody in the fleet calls an operation that AWS has throttled.
AFTER_THROTTLING = 1.0
#: Seconds to wait after each failure in a row of work that keeps its lease and thread meanwhile.
IN_LEASE = (0.5, 1.0, 2.0, 4.0, 8.0)
#: A delay is so much shorter or longer by chance, so that what failed together comes back apart.
_JITTER = (0.7, 1.3)


def retry_delay(waited: float) -> float:
    """Seconds to wait after a transient failure, with jitter.

    Args:
        waited: seconds that the job has been in its state; the longer, the longer the delay.
    """
    middle = min(MAX_RETRY_DELAY / _JITTER[1], max(1.0, waited / 2))
    return middle * random.uniform(*_JITTER)  # noqa: S311
