"""Kombu's Redis transport, with a guard at its door.

Only what is a message for one of our tasks goes on, and of that only the task's name, id and
argument; the rest becomes a dead letter, with the reason. From the control queue Celery gets what
our own scripts put there and nothing else: what others leave there is taken in by the dispatchers.
"""

from __future__ import annotations

import json
import math
import threading
import time
from typing import Any

import structlog
from celery.app import amqp
from kombu.connection import Connection as KombuConnection
from kombu.transport import redis, virtual
from redis import UnixDomainSocketConnection

from producer.backend.address import RedisAddress
from producer.backend.dead_letters import MAX_CHARACTERS
from producer.contract.stages import CONTROL_LIST, CONTROL_QUEUE, QUEUES
from worker.ingress.envelope import Envelope, NotForUs, parsed
from worker.runtime.context import context

log = structlog.get_logger()

#: Seconds between two connections of the consumer.
_RECONNECT_EVERY = 2.0
#: What kombu says of a connection, and a unix socket has not.
_OF_TCP = frozenset(
    {
        "host",
        "port",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_keepalive_options",
    }
)


class Connection(KombuConnection):
    """A connection that looks for Redis every few seconds, however long it has been away."""

    #: when Celery's consumer was connected last
    _connected_at = -math.inf

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Celery leaves the waits to kombu, which comes to look every 30 s only.

        And a Redis that takes a connection but refuses what is sent, it asks all the time.
        """
        if threading.current_thread() is threading.main_thread():
            time.sleep(max(0.0, Connection._connected_at + _RECONNECT_EVERY - time.monotonic()))
        waits = {"interval_start": 1, "interval_step": 1, "interval_max": 2}
        connected = super().ensure_connection(*arguments, **(waits | options))
        Connection._connected_at = time.monotonic()
        return connected

    def as_uri(self, *arguments: Any, **options: Any) -> str:
        """Where Redis is, for the banner and the log."""
        if options.get("include_password"):
            return str(super().as_uri(*arguments, **options))
        return f"redis at {RedisAddress.parse(context().settings.redis_url).shown}"


class Amqp(amqp.AMQP):
    """Celery's, with connections of ours."""

    Connection = Connection


class Taken(virtual.QoS):
    """The messages that this worker has taken and not done with, kept in its memory only.

    Kombu writes each to Redis when it comes and again when it is done, so that another worker may
    have it should this one die: a third of a worker's work, and the schedule knows better and
    sooner. Nor is anything put back when the worker stops: it takes no more than it can begin, and
    hands back what it has begun.
    """

    restore_at_shutdown = False


class Channel(redis.Channel):
    """A channel on which neither what is no JSON nor a restart of Redis is a reason to stop."""

    QoS = Taken  # type: ignore[assignment]  # kombu says its own, and means any

    def _q_for_pri(self, queue: str, pri: int) -> str:
        return CONTROL_LIST if queue == CONTROL_QUEUE else str(super()._q_for_pri(queue, pri))

    def _connparams(self, asynchronous: bool = False) -> Any:
        # Kombu 5.7.0 trips over this when a task ends after its connection was closed, and with
        # remote control on takes the worker with it.
        if self.connection.client is None:
            raise ConnectionError("the connection to Redis was closed meanwhile")
        socket = RedisAddress.parse(context().settings.redis_url).socket
        if not socket:
            return super()._connparams(asynchronous=asynchronous)
        self.connection_class = UnixDomainSocketConnection  # type: ignore[assignment]
        found = super()._connparams(asynchronous=asynchronous)
        return {key: found[key] for key in found if key not in _OF_TCP} | {"path": socket}

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)
        except (ArithmeticError, AttributeError, RecursionError) as error:
            log.warning("command.refused", reason=repr(error)[:200])
            return None

    def _get_client(self) -> Any:
        class Client(super()._get_client()):  # type: ignore[misc]
            """A client that passes over what no message can be."""

            def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
                answer = super().parse_response(connection, command_name, **options)
                if command_name != "BRPOP" or not answer or _may_be_a_message(answer[1]):
                    return answer
                return None

        return Client


class Transport(redis.Transport):
    """Kombu's, which delivers only what is a message for us."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if queue not in QUEUES:
            self._deliver_command(message, queue)
            return
        try:
            passed_on = Envelope.parse(message).passed_on(queue)
        except NotForUs as error:
            add_dead_letter(json.dumps(message), str(error))
        else:
            super()._deliver(passed_on, queue)

    def _deliver_command(self, message: Any, queue: str) -> None:
        """Remote control, as by `celery inspect` and Flower."""
        try:
            super()._deliver(message, queue)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            log.warning("command.refused", reason=repr(error)[:200])


def _may_be_a_message(entry: bytes) -> bool:
    """Whether an entry of a queue can be looked at; buries it if not."""
    try:
        parsed(entry)
    except NotForUs as error:
        beginning = entry[: MAX_CHARACTERS + 1].decode(errors="backslashreplace")
        add_dead_letter(beginning, str(error))
        return False
    return True


def add_dead_letter(message: str, reason: str) -> None:
    """Keep what is no message for our tasks among the dead letters."""
    reason = f"Not a message for us: {reason}."
    log.warning("message.refused", reason=reason)
    context().dead_letters.add_dead_letter(message, reason)
