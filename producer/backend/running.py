"""The jobs that Transcribe has, as far as the poll needs to know them."""

from collections.abc import Sequence
from dataclasses import dataclass

from producer.backend import keys
from producer.backend.connection import Broker
from producer.backend.schedule import Lease, clock
from producer.contract.attempts import attempt_name

#: Seconds after which it is forgotten how long the account's list was.
_PAGES_LAST = 60


@dataclass(frozen=True)
class Snapshot:
    """The running jobs at one moment."""

    #: when that was, by the schedule's clock
    seen_at: float
    #: job id -> name of its Transcribe job
    jobs: dict[str, str]
    #: seconds since the last of them was started
    youngest: float
    #: seconds that the quickest of the last jobs took at Transcribe; 0 if too few have ended
    quickest: float
    #: pages of ListTranscriptionJobs when it was last asked for, of everybody's running jobs
    pages: int
    #: calls of ListTranscriptionJobs that the account allows in a second
    list_rate: float
    #: whether others in the account have slots that jobs of ours wait for
    is_shared: bool


class RunningJobs:
    """The running jobs of the whole fleet."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def snapshot(self, list_rate: str) -> Snapshot:
        """See which jobs run, without reading their records.

        Args:
            list_rate: what `Admission.limit` says of ListTranscriptionJobs.
        """
        seen_at = clock()
        youngest, quickest, pages, rate, shared, flat = self._broker.run(
            "snapshot_running", list_rate=list_rate
        )
        jobs = {
            job_id: attempt_name(job_id, int(attempt))
            for job_id, attempt in zip(flat[::2], flat[1::2], strict=True)
        }
        return Snapshot(
            seen_at,
            jobs,
            float(youngest),
            float(quickest),
            int(pages),
            float(rate),
            is_shared=bool(shared),
        )

    def listed(self, pages: int) -> None:
        """Remember how many pages the list had."""
        self._broker.command("SET", str(keys.LIST_PAGES), pages, "EX", _PAGES_LAST)

    def collect_missing(self, poll: Lease, job_ids: Sequence[str], lease: float) -> list[str]:
        """Have jobs that AWS's list lacks collected, if their results are there.

        Args:
            poll: the poll's lease.
            job_ids: all that the list lacks and that their result shows ended.
            lease: the schedule's, in seconds.

        Returns those to ask AWS for by name, because since the last list workers have looked for
        their results in vain, or none has come to look.
        """
        return list(
            self._broker.run("collect_missing", **poll.arguments, ids=list(job_ids), lease=lease)
        )

    def record_missed(self, collect: Lease) -> bool:
        """Note that a job which the list lacks has no result, and leave it to the poll.

        Returns False if it does not run any more, or the lease was lost: then nothing was done.
        """
        return bool(self._broker.run("record_missed", **collect.arguments))
