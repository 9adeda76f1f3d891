"""The Celery app: `celery -A worker worker` finds it here.

A Celery message is a hint; the schedule and the records in Redis are the truth. So nothing here
promises delivery: no retries, countdowns, chains or results of Celery's own.
"""

# ruff: noqa: E402 - answers signals before anything that lasts
import sys

from worker.runtime.early_stop import answer_early, refuse

answer_early(sys.argv[1:])

import os
from functools import cached_property
from typing import Any

from celery import Celery, signals
from kombu.entity import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from producer.backend.address import RedisAddress
from producer.contract.stages import QUEUES
from producer.errors import TranscribeQueueError
from worker import logs
from worker.errors import StageError
from worker.runtime.context import context
from worker.settings import WorkerSettings


def _settings() -> WorkerSettings:
    try:
        return context().settings
    except (TranscribeQueueError, StageError) as error:
        refuse(str(error))


#: Source of each: measurements on Celery's and kombu's Redis transport, version 5.7.
TRANSPORT_OPTIONS = {
    # Without these a connection that dies silently is waited on for ever. It is noticed and made
    # again within 15 s, so longer ones will not do.
    "socket_timeout": 3,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 2,
    # Priority is the schedule's, so one list a queue; CONTROL_LIST is named with this separator.
    "priority_steps": [0],
    "sep": ":",
}

# It would override TRANSCRIBE_REDIS_URL without a word, and split messages from records.
os.environ.pop("CELERY_BROKER_URL", None)
settings = _settings()


class App(Celery):
    """Celery's, which runs a worker of ours."""

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name for it
        """The program `celery worker`."""
        return self.subclass_with_self("worker.runtime.program:Worker")


# By a name, for of `socket://` kombu knows no transport but by what is before the `+`.
TRANSPORT_ALIASES["transcribe"] = "worker.ingress.transport:Transport"
_address = RedisAddress.parse(settings.redis_url)
app = App(
    "worker",
    broker=f"transcribe+{_address.celery_url}" if _address.socket else _address.celery_url,
    include=["worker.tasks"],
    amqp="worker.ingress.transport:Amqp",
)
app.conf.update(
    # Threads suit calls to AWS, each of which is bounded by boto3's own timeouts.
    worker_pool="threads",
    worker_concurrency=settings.concurrency,
    # One queue a stage, so that each can be scaled by `-Q`.
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
    task_default_queue=QUEUES[0],
    # JSON only: nothing that a message contains is ever executed.
    task_serializer="json",
    accept_content=["json"],
    # The job record is the truth; there is no result backend.
    task_ignore_result=True,
    # Celery counts a message until its task is done, so a worker reads no more than it can soon
    # begin. Nothing of that is written to Redis; see worker.ingress.transport.
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    # A worker outlives any fault of Redis. The schedule makes lost messages harmless.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_transport_options=TRANSPORT_OPTIONS,
    # A message that is not for us must neither end a worker nor vanish.
    broker_transport="transcribe",
    # For `celery inspect` and Flower.
    worker_enable_remote_control=True,
    # structlog writes the log.
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
)


@signals.setup_logging.connect
def _log(logfile: str | None = None, **_: Any) -> None:
    now = context().settings  # options may have changed them
    logs.configure(now.log_format, now.log_level, logfile)


# After `app`, for its steps need one.
from worker.runtime.dispatcher import DispatcherStep

app.steps["worker"].add(DispatcherStep)
