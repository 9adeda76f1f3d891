"""Calls of AWS that a recovery makes: within the fleet's rates, and retried while AWS fails."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import structlog

from producer.backend.rate_limiter import Operation
from worker.errors import Snooze, Throttled, Transient
from worker.runtime.retry_delay import IN_LEASE
from worker.runtime.work import Work

log = structlog.get_logger()

Answer = TypeVar("Answer")


class RetriedCalls:
    """Calls AWS for one recovery for as long as its lease holds."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._is_delayed = False
        #: when each operation may be called again, so that the poll, too, has its share
        self._free_at: dict[Operation, float] = {}

    def call(self, function: Callable[[], Answer], operation: Operation | None = None) -> Answer:
        """Call AWS, and wait where it or the fleet's own rate demands it.

        Args:
            function: the call.
            operation: what it is, if the account has a rate for it.

        Raises:
            Transient: if it failed many times in a row.
            LeaseLost, ShuttingDown: if the recovery is to stop.
        """
        for wait in IN_LEASE:
            try:
                return self._call(function, operation)
            except Transient as error:
                log.warning("recovery.delayed", code=error.code, reason=error.message)
                self._report(error.message)
                if isinstance(error, Throttled):
                    self._work.worker.admission.throttled(error.operation, wait)
                self._work.guard.sleep(wait)
        return self._call(function, operation)

    def _call(self, function: Callable[[], Answer], operation: Operation | None) -> Answer:
        self._work.guard.check()
        if operation is None:
            answer = function()
        else:
            with self._within_rate(operation):
                answer = function()
        if self._is_delayed:
            self._report("")
        return answer

    def _report(self, trouble: str) -> None:
        self._is_delayed = trouble != ""
        self._work.worker.recoveries.note_trouble(trouble)

    @contextmanager
    def _within_rate(self, operation: Operation) -> Iterator[None]:
        self._work.guard.sleep(self._free_at.get(operation, 0.0) - time.monotonic())
        with ExitStack() as acquired:
            while True:
                try:
                    acquired.enter_context(self._work.rate_limited(operation)())
                    break
                except Snooze as error:
                    self._work.guard.sleep(error.seconds)
            # The fleet's jobs have the other call of two.
            gap = 2 / self._work.worker.admission.limiter.rate(operation)
            self._free_at[operation] = time.monotonic() + gap
            yield
