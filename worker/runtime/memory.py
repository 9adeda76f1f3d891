"""Whether Redis still remembers: one that comes back empty must not go unnoticed."""

import time

import structlog

from producer.backend.workers import Check, Fleet

log = structlog.get_logger()

#: Seconds for which `transcribe doctor` reports a loss.
_REPORTED_FOR = 3600.0
_LOST = (
    "Redis has lost all it knew: the records of earlier jobs are gone. New jobs go on; "
    "`transcribe recover` brings back those that Amazon Transcribe and the bucket still know."
)


class Memory:
    """Compares Redis with the one that this worker has known since it started."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._epoch = ""
        self._lost_at = 0.0

    def check(self) -> tuple[Check, ...]:
        """A finding for a while after a loss, which is logged once."""
        epoch = self._fleet.epoch()
        if self._epoch not in {"", epoch}:
            self._lost_at = time.monotonic()
            log.error("redis.empty", reason=_LOST)
        self._epoch = epoch
        if self._lost_at and time.monotonic() - self._lost_at < _REPORTED_FOR:
            return (Check(subject="redis", ok=False, message=_LOST),)
        return ()
