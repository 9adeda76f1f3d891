"""Kombu's Redis transport, which delivers only messages for our tasks.

It passes on the task's name, id and argument. Any other message becomes a dead letter, with the
reason. From the control queue Celery gets only what our own scripts put there: the dispatchers move
the messages of others to the inbox.

Methods whose names begin with `_` override kombu's private ones. `tests/unit/test_transport.py`
fails if a new kombu no longer has them, or calls them with other arguments.
"""

import json
import math
import threading
import time
from typing import Any

import structlog
from celery.app import amqp
from kombu.connection import Connection as KombuConnection
from kombu.transport import redis, virtual

from producer.backend.address import RedisAddress
from producer.backend.dead_letters import MAX_CHARACTERS
from producer.contract.stages import CONTROL_LIST, CONTROL_QUEUE, QUEUES
from worker.ingress.envelope import Envelope, NotForUs, parse_json
from worker.runtime.context import context

log = structlog.get_logger()

#: Seconds between two connections of the consumer.
_RECONNECT_EVERY = 2.0
#: What Celery and kombu raise at an entry that is not a command.
_NOT_A_COMMAND = (
    ArithmeticError,
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


class Connection(KombuConnection):
    """A connection that tries Redis every few seconds, however long it has been away."""

    #: when Celery's consumer was connected last
    _connected_at = -math.inf

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect, with waits of our own.

        Celery leaves the waits to kombu, which tries every 30 s only. And where Redis accepts a
        connection but refuses the commands, Celery connects again and again without a pause.
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


class UnackedInMemory(virtual.QoS):
    """The messages that this worker has and did not acknowledge yet, in its memory only.

    Kombu writes each to Redis when it comes and again when it is done, so that another worker may
    have it should this one die: a third of a worker's work, and the schedule does it better and
    sooner. Nor does the worker put anything back when it stops: it fetches no more than it can
    begin, and releases the leases of what it has begun.
    """

    restore_at_shutdown = False


class Channel(redis.Channel):
    """A channel on which no message and no command can end the worker."""

    QoS = UnackedInMemory  # type: ignore[assignment]  # kombu says its own, and means any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.client.set_response_callback("BRPOP", _received)

    def _q_for_pri(self, queue: str, pri: int) -> str:
        return CONTROL_LIST if queue == CONTROL_QUEUE else str(super()._q_for_pri(queue, pri))

    def _receive_one(self, client: Any) -> Any:
        """Remote control, as by `celery inspect` and Flower."""
        try:
            return super()._receive_one(client)
        except _NOT_A_COMMAND as error:
            log.warning("command.refused", reason=repr(error)[:200])
            return None


class Transport(redis.Transport):
    """Kombu's, with channels of ours."""

    Channel = Channel


def _received(answer: list[bytes] | None, **_options: Any) -> tuple[bytes, bytes] | None:
    """What kombu gets of Redis's answer to BRPOP; None if it is not a message for us."""
    if not answer:
        return None
    popped, entry = answer
    queue = popped.decode().replace(CONTROL_LIST, CONTROL_QUEUE)
    try:
        message = parse_json(entry)
        if queue in QUEUES:  # else it answers a remote control
            entry = json.dumps(Envelope.parse(message).passed_on(queue)).encode()
    except NotForUs as error:
        head = entry[: MAX_CHARACTERS + 1].decode(errors="backslashreplace")
        add_dead_letter(head, str(error))
        return None
    return popped, entry


def add_dead_letter(message: str, reason: str) -> None:
    """Keep a message that is not for our tasks among the dead letters."""
    reason = f"Not a message for us: {reason}."
    log.warning("message.refused", reason=reason)
    context().dead_letters.add(message, reason)
