"""Long work at AWS beside the fleet's own: within its rates, and patient with hiccups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import structlog

from worker.account.admission import Operation
from worker.errors import Snooze, Throttled, Transient
from worker.runtime.work import Work

log = structlog.get_logger()

Answer = TypeVar("Answer")

#: Seconds to wait after each failure in a row; at one more, all of the work is put off.
_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)


class PatientCalls:
    """Calls AWS for one piece of work for as long as its lease holds."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._held_up = False
        #: when each operation may be called again, so that the poll, too, has its share
        self._free_at: dict[Operation, float] = {}

    def call(self, function: Callable[[], Answer], operation: Operation | None = None) -> Answer:
        """Call AWS, and wait where it or the fleet's own rate wants that.

        Args:
            function: the call.
            operation: what it is, if the account has a rate for it.

        Raises:
            Transient: if it failed many times in a row.
            Permanent: as AWS's error is classified.
            LeaseLost, ShuttingDown: if the work has to stop.
        """
        for wait in _WAITS:
            try:
                return self._call(function, operation)
            except Transient as error:
                log.warning("recovery.held_up", code=error.code, reason=error.message)
                self._tell(error.message)
                if isinstance(error, Throttled):
                    self._work.worker.admission.throttled(error.operation, wait)
                self._work.guard.sleep(wait)
        return self._call(function, operation)

    def _call(self, function: Callable[[], Answer], operation: Operation | None) -> Answer:
        self._work.guard.check()
        if operation is None:
            answer = function()
        else:
            with self._rate_limited(operation):
                answer = function()
        if self._held_up:
            self._tell("")
        return answer

    def _tell(self, trouble: str) -> None:
        self._held_up = trouble != ""
        self._work.worker.recoveries.held_up(trouble)

    @contextmanager
    def _rate_limited(self, operation: Operation) -> Iterator[None]:
        self._work.guard.sleep(self._free_at.get(operation, 0.0) - time.monotonic())
        with ExitStack() as acquired:
            while True:
                try:
                    acquired.enter_context(self._work.rate_limited(operation)())
                    break
                except Snooze as error:
                    self._work.guard.sleep(error.seconds)
            # The fleet's jobs have the other call of two.
            gap = 2 / self._work.worker.admission.rate(operation)
            self._free_at[operation] = time.monotonic() + gap
            yield
