"""Cadence: when to look at the running jobs again, and by which call.

Fast while something is likely to end, slow for recordings that take hours.
"""

from __future__ import annotations

from producer.backend.running import Snapshot

#: Of the quota of ListTranscriptionJobs the poll uses no more than this share: each page is a call,
#: and others in the account list their jobs, too.
_SHARE = 0.6
#: A result may be late by this share of the time that it took; for an hour that is over a minute,
_LATE = 0.02
#: so no longer than this, in seconds.
MAX_INTERVAL = 15.0


def poll_interval(look: Snapshot, *, shortest: float) -> float:
    """Seconds from this look at the running jobs to the next.

    No job is expected to end sooner after its start than the quickest of late, and those that run
    have lasted for a while already: the longer, the less it matters to be late.

    Args:
        look: what runs.
        shortest: the least seconds between two looks.
    """
    allowed = 0.0 if ask_by_name(look) else look.pages / (_SHARE * look.list_rate)
    least = max(shortest, allowed)
    return max(least, min(MAX_INTERVAL, _LATE * max(look.youngest, look.quickest)))


def ask_by_name(look: Snapshot) -> bool:
    """Whether to ask for each job by its name is as cheap as to list what runs in the account.

    The list also tells how many slots others have, which jobs that wait want to know.
    """
    return len(look.jobs) <= look.pages and not look.is_shared
