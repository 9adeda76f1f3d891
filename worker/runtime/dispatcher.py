"""The dispatcher: a thread of every worker that hands what is due to workers.

The same thread extends the leases and tokens of this worker, admits READY jobs, fails those past
their deadline, and leaves the worker's heartbeat: see the table of its `_duties`.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import structlog
from celery import bootsteps, signals

from producer.backend.workers import Check, WorkerReport
from producer.errors import BrokerUnavailable
from worker.account.quotas import QuotaReader
from worker.leases import WARM_SHUTDOWN
from worker.runtime.context import Context, context
from worker.runtime.health import Health
from worker.runtime.memory import Memory
from worker.runtime.retry_delay import AFTER_DUTY_CRASH
from worker.runtime.shutdown import Shutdown

log = structlog.get_logger()

#: Messages that may wait in each queue, for each stage that this worker can run at once.
_MESSAGES_A_THREAD = 4


@dataclass
class Duty:
    """What the dispatcher does again and again."""

    name: str
    #: seconds from one time to the next; 0 for each dispatch interval
    every: float
    action: Callable[[], object]
    #: whether it goes on while the worker shuts down
    until_the_end: bool = False
    #: when it is due, by the monotonic clock
    due: float = 0.0


class Dispatcher(threading.Thread):
    """Does its duties until `stop`; while the worker shuts down, only some of them."""

    def __init__(self, worker: Context, name: str, queues: tuple[str, ...], pool: int) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._worker = worker
        self._name = name
        self._queues = queues
        self._pool = pool
        self._started_at = datetime.now(UTC)
        self._stopped = threading.Event()
        self._health = Health(worker)
        self._memory = Memory(worker.fleet)
        self._reported: tuple[Check, ...] = ()
        self._unavailable = False
        admission, quotas = worker.admission, QuotaReader(worker.aws, worker.admission)
        third = worker.settings.lease / 3
        self._duties = (
            Duty("extend_leases", third, worker.leases.extend, until_the_end=True),
            Duty("extend_tokens", 3.0, admission.limiter.extend, until_the_end=True),
            Duty("report_health", 0.0, self._report_health, until_the_end=True),
            Duty("heartbeat", 5.0, self._heartbeat, until_the_end=True),
            Duty("admit", 0.0, worker.admit),
            Duty("dispatch", 0.0, self._dispatch),
            Duty("report_capacity", 1.0, admission.report),
            Duty("refresh_quotas", 900.0, quotas.refresh),
            Duty("fail_overdue", 1.0, self._fail_overdue),
            Duty("prune", 60.0, worker.store.prune),
        )

    def run(self) -> None:
        """Do, every dispatch interval, the duties that are due."""
        while not self._stopped.wait(self._worker.settings.dispatch_interval):
            try:
                for duty in self._duties:
                    if duty.until_the_end or not WARM_SHUTDOWN.is_set():
                        _do_if_due(duty)
                self._note_recovery()
            except BrokerUnavailable as error:
                self._note_loss(error)

    def stop(self) -> None:
        """End the thread, and remove the worker from the list of workers."""
        self._stopped.set()
        self.join(timeout=5)
        try:
            self._worker.fleet.leave(self._name, os.getpid())
        except BrokerUnavailable as error:
            log.info("worker.sign_off_failed", reason=str(error))

    def _dispatch(self) -> None:
        worker = self._worker
        worker.schedule.dispatch(
            _MESSAGES_A_THREAD * self._pool,
            worker.admission.limiter.limit("DeleteTranscriptionJob"),
            worker.settings.tenant_weights,
        )

    def _fail_overdue(self) -> None:
        for job_id in self._worker.store.fail_overdue():
            log.warning("job.overdue", job_id=job_id)

    def _report_health(self) -> None:
        if self._health.checks() is not self._reported:
            self._heartbeat()  # at once, for somebody may be waiting for it

    def _heartbeat(self) -> None:
        self._reported = self._health.checks()
        self._worker.fleet.report(
            WorkerReport(
                name=self._name,
                pid=os.getpid(),
                version=version("transcribe-queue"),
                queues=self._queues,
                concurrency=self._pool,
                busy=len(self._worker.leases),
                started_at=self._started_at,
                seen_at=0.0,
                checks=(*self._reported, *self._memory.check()),
                can_reuse=True,
            )
        )

    def _note_loss(self, error: BrokerUnavailable) -> None:
        if not self._unavailable:
            log.error("redis.lost", reason=str(error))
        self._unavailable = True
        self._stopped.wait(1.0)

    def _note_recovery(self) -> None:
        if self._unavailable:
            log.info("redis.back")
        self._unavailable = False


def _do_if_due(duty: Duty) -> None:
    """Do what is due; an unexpected error delays nothing but this duty."""
    if time.monotonic() < duty.due:
        return
    wait = duty.every
    try:
        duty.action()
    except BrokerUnavailable:
        raise
    except Exception:  # without this thread leases lapse, and nothing is dispatched
        log.exception("dispatcher.crashed", duty=duty.name)
        wait = max(wait, AFTER_DUTY_CRASH)
    duty.due = time.monotonic() + wait


class DispatcherStep(bootsteps.StartStopStep):
    """Starts the dispatcher with the worker."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, parent: Any, **_: Any) -> None:
        super().__init__(parent)
        self._dispatcher: Dispatcher | None = None
        # Neither is of use here: the fleet knows itself by its heartbeats in Redis.
        parent.options.update(without_gossip=True, without_mingle=True)

    def start(self, parent: Any) -> None:
        """Start once the pool is there, so that what is dispatched finds a thread."""
        worker = context()
        queues = tuple(sorted(parent.app.amqp.queues.consume_from))
        self._dispatcher = Dispatcher(worker, parent.hostname, queues, parent.concurrency)
        self._dispatcher.start()
        Shutdown(worker, self._dispatcher.stop).start()
        # Not at `stop`, which comes before the pool has ended its work: until then leases go on.
        signals.worker_shutdown.connect(self._leave, weak=False)

    def close(self, _parent: Any) -> None:
        """Begin nothing new, also if no signal has stopped the worker."""
        WARM_SHUTDOWN.set()

    def _leave(self, **_: Any) -> None:
        if self._dispatcher is not None:
            self._dispatcher.stop()
