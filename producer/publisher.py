"""Sends Celery messages that say "look at job X now". Losing one costs seconds, never a job."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from redis import RedisError

from producer.contract import Stage

#: Source of each: the measurements in Celery's and kombu's Redis transport that the README names.
TRANSPORT_OPTIONS = {
    # How long a message may stay unacknowledged before Celery gives it to another worker.
    # Recovery does not wait for it: the schedule's leases are shorter.
    "visibility_timeout": 120,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # Without these a connection that dies silently is waited on for ever.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


class Publisher:
    """Publishes messages for stages; each carries a job id and nothing else."""

    def __init__(self, redis_url: str) -> None:
        """Publish to the broker at `redis_url`; connects when first used."""
        self._redis_url = redis_url

    @cached_property
    def _app(self) -> Any:
        # Here, because importing Celery takes as long as all else of a command that only reads.
        from celery import Celery  # noqa: PLC0415

        app = Celery("transcribe-queue", broker=self._redis_url, set_as_current=False)
        app.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            broker_transport_options=TRANSPORT_OPTIONS,
        )
        return app

    @cached_property
    def _producers(self) -> Any:
        from kombu.pools import producers  # noqa: PLC0415 - as above

        # By its URL, for CELERY_BROKER_URL in the environment would go before Celery's own setting;
        # from a pool, for neither connections nor channels may be shared between threads.
        return producers[self._app.connection_for_write(self._redis_url)]

    def publish(self, stage: Stage, job_id: str) -> bool:
        """Send one message; False if the broker did not take it. Safe between threads.

        Not an error: the schedule has the job, and a dispatcher will send another.
        """
        from kombu.exceptions import OperationalError  # noqa: PLC0415 - as above

        try:
            with self._producers.acquire(block=True, timeout=10) as producer:
                self._app.send_task(
                    stage.task, args=[job_id], queue=stage.queue, producer=producer, retry=False
                )
        except (OperationalError, RedisError, OSError):
            return False
        return True

    def close(self) -> None:
        """Close the connections, if there ever were any."""
        if "_producers" in self.__dict__:
            self._producers.force_close_all()
