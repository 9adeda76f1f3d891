"""The poll interval: when to poll the running jobs again, and by which call.

Fast while something is likely to end, slow for recordings that last hours.
"""

from producer.backend.running import Snapshot

#: Of the quota of ListTranscriptionJobs the poll uses no more than this: each page is a call, and
#: others in the account list their jobs, too.
_QUOTA_USED = 0.6
#: A result may be late by this share of the time that it took; for an hour that is over a minute,
_LATE = 0.02
#: so no longer than this, in seconds.
MAX_INTERVAL = 15.0


def poll_interval(snapshot: Snapshot, *, shortest: float) -> float:
    """Seconds from this snapshot of the running jobs to the next.

    No job is expected to end sooner after its start than the quickest of late, and those that run
    have lasted for a while already: the longer, the less it matters to be late.

    Args:
        snapshot: what runs.
        shortest: the least seconds between two polls.
    """
    allowed = 0.0 if ask_by_name(snapshot) else snapshot.pages / (_QUOTA_USED * snapshot.list_rate)
    least = max(shortest, allowed)
    return max(least, min(MAX_INTERVAL, _LATE * max(snapshot.youngest, snapshot.quickest)))


def ask_by_name(snapshot: Snapshot) -> bool:
    """Whether to ask for each job by its name is as cheap as to list what runs in the account.

    The list also shows how many slots others have, which jobs that wait want to know.
    """
    return len(snapshot.jobs) <= snapshot.pages and not snapshot.is_shared
