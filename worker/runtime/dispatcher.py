"""The dispatcher: a thread of every worker that claims what is due and sends word of it.

The same thread renews the leases of the stages that this worker is at, admits READY jobs, ends
those past their deadline, and leaves the worker's heartbeat.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
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
from worker.runtime.runner import admit
from worker.runtime.shutdown import Shutdown

log = structlog.get_logger()

#: Messages that may lie in each queue, for each stage that this worker is at once at work on.
_ROOM = 4
_HEARTBEAT_EVERY = 5.0
_SWEEP_EVERY = 1.0
_PERMITS_EVERY = 3.0
_STANDING_EVERY = 1.0
_QUOTAS_EVERY = 900.0
_DROP_EVERY = 60.0
_AFTER_CRASH = 1.0


class Dispatcher(threading.Thread):
    """Runs until it is told to stop; while the worker drains, it only renews leases."""

    def __init__(self, worker: Context, name: str, queues: tuple[str, ...], pool: int) -> None:
        super().__init__(name="dispatcher", daemon=True)
        self._worker = worker
        self._name = name
        self._queues = queues
        self._pool = pool
        self._started_at = datetime.now(UTC)
        self._done = threading.Event()
        self._health = Health(worker)
        self._quotas = QuotaReader(worker)
        self._memory = Memory(worker.fleet)
        self._told: tuple[Check, ...] = ()
        self._due: dict[str, float] = {}
        self._unavailable = False

    def run(self) -> None:
        """Look, every dispatch interval, at what is to be done."""
        while not self._done.wait(self._worker.settings.dispatch_interval):
            try:
                self._look()
                self._recovered()
            except BrokerUnavailable as error:
                self._lost(error)
            except Exception:  # without this thread leases lapse and nothing is claimed
                log.exception("dispatcher.crashed")
                self._done.wait(_AFTER_CRASH)

    def _look(self) -> None:
        self._every("renew", self._worker.settings.lease / 3, self._worker.leases.extend)
        self._every("permits", _PERMITS_EVERY, self._worker.admission.extend)
        if self._health.checks() is not self._told:
            self._due.pop("heartbeat", None)  # news are told at once
        self._every("heartbeat", _HEARTBEAT_EVERY, self._heartbeat)
        if not WARM_SHUTDOWN.is_set():
            self._every("admit", 0.0, lambda: admit(self._worker))
            self._every("claim", 0.0, self._claim)
            self._every("standing", _STANDING_EVERY, self._worker.admission.report)
            self._every("quotas", _QUOTAS_EVERY, self._quotas.look)
            self._every("sweep", _SWEEP_EVERY, self._sweep)
            self._every("drop", _DROP_EVERY, self._worker.store.prune)

    def stop(self) -> None:
        """End the thread and take the worker off the list."""
        self._done.set()
        self.join(timeout=5)
        try:
            self._worker.fleet.leave(self._name)
        except BrokerUnavailable:
            log.info("dispatcher.left_without_word")

    def _claim(self) -> None:
        worker = self._worker
        worker.schedule.dispatch(
            _ROOM * self._pool,
            worker.admission.limit("DeleteTranscriptionJob"),
            worker.settings.tenant_weights,
        )

    def _sweep(self) -> None:
        for job_id in self._worker.store.fail_overdue():
            log.warning("job.overdue", job_id=job_id)

    def _heartbeat(self) -> None:
        self._told = self._health.checks()
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
                checks=(*self._told, *self._memory.check()),
            )
        )

    def _every(self, what: str, seconds: float, action: Callable[[], None]) -> None:
        """Do what is due; an error that nobody expects holds up nothing but this."""
        if time.monotonic() < self._due.get(what, 0.0):
            return
        try:
            action()
            self._due[what] = time.monotonic() + seconds
        except BrokerUnavailable:
            raise
        except Exception:
            log.exception("dispatcher.crashed", at=what)
            self._due[what] = time.monotonic() + max(seconds, _AFTER_CRASH)

    def _lost(self, error: BrokerUnavailable) -> None:
        if not self._unavailable:
            log.error("redis.lost", reason=str(error))
        self._unavailable = True
        self._done.wait(1.0)

    def _recovered(self) -> None:
        if self._unavailable:
            log.info("redis.back")
        self._unavailable = False


class DispatcherStep(bootsteps.StartStopStep):
    """Starts the dispatcher with the worker."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, parent: Any, **_: Any) -> None:
        super().__init__(parent)
        self._dispatcher: Dispatcher | None = None
        # Neither is of use here: the fleet knows itself by its heartbeats in Redis.
        parent.options.update(without_gossip=True, without_mingle=True)

    def start(self, parent: Any) -> None:
        """Start once the pool is there, so that what is claimed can be taken up."""
        worker = context()
        queues = tuple(sorted(parent.app.amqp.queues.consume_from))
        self._dispatcher = Dispatcher(worker, parent.hostname, queues, parent.concurrency)
        self._dispatcher.start()
        Shutdown(worker, self._dispatcher.stop).start()
        # Not at `stop`, which comes before the pool has drained: leases are renewed until then.
        signals.worker_shutdown.connect(self._leave, weak=False)

    def close(self, _parent: Any) -> None:
        """Begin nothing new, also if it was no signal that stops the worker."""
        WARM_SHUTDOWN.set()

    def _leave(self, **_: Any) -> None:
        if self._dispatcher is not None:
            self._dispatcher.stop()
