"""The rate limiter: so many calls a second of each AWS operation, over the whole fleet."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from producer.backend.connection import Broker
from producer.backend.schedule import clock

Operation = Literal[
    "StartTranscriptionJob",
    "GetTranscriptionJob",
    "ListTranscriptionJobs",
    "DeleteTranscriptionJob",
    "GetVocabulary",
    "GetVocabularyFilter",
    "DescribeLanguageModel",
]
#: Seconds after its turn (when it had cooled) at which a token counts as released, for its worker
#: seems to be dead; a living worker extends the tokens of calls that take longer.
_TOKEN_LASTS = 15.0
#: Seconds after its turn up to which a call may be sent: it needs time to connect and to arrive.
_SENT_WITHIN = 5.0


@dataclass(frozen=True)
class Token:
    """The right to call an operation once, a number of seconds from when it was acquired."""

    operation: Operation
    #: '' if none was free in time
    id: str
    #: seconds until it may be used; without one, until it may be worth asking again
    wait: float
    #: when it may be used, by Redis's clock, as Redis said it
    usable_at: str
    #: until when the call may be sent, by `clock`
    send_by: float


class RateLimiter:
    """Acquires and releases tokens; safe between threads."""

    def __init__(self, broker: Broker, limits: Mapping[Operation, str]) -> None:
        """Keep to `limits`, calls a second of each operation.

        A limit that ends in `!` was set by the operator; others give way to what Service Quotas
        says.
        """
        self._broker = broker
        self._limits = limits
        self._lock = threading.Lock()
        self._used: dict[str, Token] = {}

    def limit(self, operation: Operation) -> str:
        """Calls of an operation a second, as scripts have it: with a `!` if the operator set it."""
        return self._limits[operation]

    def rate(self, operation: Operation) -> float:
        """Calls of an operation a second, over the whole fleet, as this worker's settings say."""
        return float(self._limits[operation].rstrip("!"))

    def acquire(self, operation: Operation, max_wait: float) -> Token:
        """Acquire a token to use within `max_wait` seconds; without `id` there is none."""
        asked_at = clock()
        token_id, wait, usable_at = self._broker.run(
            "acquire_token",
            operation=operation,
            limit=self._limits[operation],
            max_wait=max_wait,
            lasts=_TOKEN_LASTS,
        )
        send_by = asked_at + float(wait) + _SENT_WITHIN
        token = Token(operation, token_id, float(wait), usable_at, send_by)
        if token.id:
            with self._lock:
                self._used[token.id] = token
        return token

    def release(self, token: Token, *, used: bool = True, rest: float = 0.0) -> None:
        """Release a token; if it was used it cools for a second, and for `rest` seconds more.

        If Redis does not answer, it comes back by itself.
        """
        with self._lock:
            self._used.pop(token.id, None)
        self._broker.run(
            "release_token",
            operation=token.operation,
            limit=self._limits[token.operation],
            token=token.id,
            usable_at="" if used else token.usable_at,
            cools_longer=rest,
        )

    def extend(self) -> None:
        """Extend the tokens of calls that take long."""
        with self._lock:
            late = [each for each in self._used.values() if each.send_by < clock()]
        if late:
            named = [{"operation": each.operation, "token": each.id} for each in late]
            self._broker.run("extend_tokens", seconds=_TOKEN_LASTS, tokens=named)
