"""Slots and call rates of the account, as this worker's settings limit them."""

import threading
from collections.abc import Iterable

import structlog

from producer.backend.capacity import Capacity
from producer.backend.connection import Broker
from producer.backend.rate_limiter import Operation, RateLimiter
from worker.account.poll_interval import MAX_INTERVAL
from worker.settings import WorkerSettings

log = structlog.get_logger()

#: Calls a second of operations that few jobs need, until Service Quotas says more.
_OTHER_RATE = "5"


class Admission:
    """Which calls may be sent, and which jobs may start."""

    def __init__(self, broker: Broker, settings: WorkerSettings) -> None:
        """Keep to the quotas in `settings`."""
        rates: dict[Operation, str] = {
            "StartTranscriptionJob": _limit(settings, "start_rate"),
            "GetTranscriptionJob": _limit(settings, "get_rate"),
            "ListTranscriptionJobs": _limit(settings, "list_rate"),
            "DeleteTranscriptionJob": _limit(settings, "delete_rate"),
            "GetVocabulary": _OTHER_RATE,
            "GetVocabularyFilter": _OTHER_RATE,
            "DescribeLanguageModel": _OTHER_RATE,
        }
        self.limiter = RateLimiter(broker, rates)
        self.capacity = Capacity(
            broker,
            slots=_limit(settings, "max_running_jobs"),
            rates=rates,
            weights=settings.tenant_weights,
            lease=settings.lease,
            # other software's jobs may have been seen in any of the last few polls
            others_expire=4 * max(settings.poll_interval, MAX_INTERVAL),
        )
        #: Threads of this worker that may wait for tokens of an operation at once: all others are
        #: free for other work.
        self.waiting_room = {
            operation: threading.BoundedSemaphore(max(1, settings.concurrency // 2))
            for operation in rates
        }

    def throttled(self, operation: str, seconds: float) -> None:
        """AWS throttled an operation: nobody calls it for `seconds`, and then less often."""
        if self.capacity.record_throttling(operation, seconds):
            log.warning("account.slowed", what=operation)

    def full(self) -> None:
        """AWS refused to start a job, for too many run: use fewer slots for a while."""
        if self.capacity.record_full():
            log.warning("account.slowed", what="slots")

    def saw_running(self, names: Iterable[str]) -> int:
        """Leave other software the slots that it has; returns how many jobs it runs.

        Args:
            names: the jobs that run in the account beside those that we poll for.
        """
        others, is_new = self.capacity.record_other_jobs(names)
        if is_new:
            log.warning("account.slowed", what="slots", others=others)
        return others

    def report(self) -> None:
        """Let `doctor` and producers know what the fleet may use now."""
        for what in self.capacity.report():
            log.info("account.recovered", what=what)


def _limit(settings: WorkerSettings, name: str) -> str:
    # What somebody has set is meant so, even if the account would allow more.
    return f"{getattr(settings, name)}{'!' if name in settings.model_fields_set else ''}"
