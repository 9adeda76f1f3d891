"""Stopping a worker: a warm shutdown, then a cold one.

SIGTERM, SIGHUP or Ctrl-C once begins a warm shutdown: the worker begins nothing new, long stages
hand their job back, short ones end. When the grace is over, or at a second signal, or at SIGQUIT,
the cold shutdown hands back whatever is still leased, and the process ends. Only after `kill -9`
do jobs wait for their lease to expire.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog

from producer.errors import BrokerUnavailable
from worker.background import guarded, run_in_background
from worker.leases import WARM_SHUTDOWN
from worker.runtime.context import Context
from worker.runtime.early_stop import STOP_SIGNALS

log = structlog.get_logger()

#: Set when the grace need not be waited for.
COLD_SHUTDOWN = threading.Event()
#: Seconds that handing back may last; a silent Redis must not keep the process.
_HAND_BACK_SECONDS = 3.0


def handle_signals() -> None:
    """Answer the signals that stop a worker; to be called once Celery has set its own answers.

    Celery lets a second SIGTERM pass without effect, and with threads SIGQUIT waits for all tasks.
    """
    warm_shutdown = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        if WARM_SHUTDOWN.is_set() or number == signal.SIGQUIT:
            COLD_SHUTDOWN.set()
        WARM_SHUTDOWN.set()
        if callable(warm_shutdown):
            warm_shutdown(signal.SIGTERM, frame)

    # By SIGHUP Celery would start a worker anew once its threads have ended, which they may not.
    for number in STOP_SIGNALS:
        signal.signal(number, stop)


class Shutdown(threading.Thread):
    """Waits for a warm shutdown, and makes it a cold one when the grace is over."""

    def __init__(self, worker: Context, sign_off: Callable[[], None]) -> None:
        """Wait for `worker`; `sign_off` ends its heartbeat and unlists it."""
        super().__init__(name="shutdown", daemon=True)
        self._worker = worker
        self._sign_off = sign_off

    def run(self) -> None:
        """End the process at the latest when the grace is over."""
        WARM_SHUTDOWN.wait()
        try:
            with guarded("shutdown"):
                grace = self._worker.settings.stop_grace
                log.info("worker.warm_shutdown", grace=grace, leases=len(self._worker.leases))
                COLD_SHUTDOWN.wait(grace)
                run_in_background("hand-back", self._hand_back).join(_HAND_BACK_SECONDS)
        finally:
            # Threads that wait for AWS cannot be ended otherwise. None has a lease any more.
            os._exit(0)

    def _hand_back(self) -> None:
        try:
            handed_back = self._worker.leases.release_all()
            self._sign_off()
        except BrokerUnavailable as error:
            log.warning("worker.hand_back_failed", reason=str(error))
        else:
            log.warning("worker.cold_shutdown", handed_back=handed_back)
