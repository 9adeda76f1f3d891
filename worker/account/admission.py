"""Slots and call rates of the account, shared by the whole fleet through Redis."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog

from producer.backend.connection import Broker
from producer.backend.job_store import PREFIX
from producer.backend.schedule import clock
from producer.contract.attempts import split_attempt
from worker.account.poll_interval import MAX_INTERVAL
from worker.settings import WorkerSettings

log = structlog.get_logger()

Operation = Literal[
    "StartTranscriptionJob",
    "GetTranscriptionJob",
    "ListTranscriptionJobs",
    "DeleteTranscriptionJob",
]
#: Seconds for which nobody starts anything once the account was full.
_FULL_FOR = 2.0
#: Seconds for which it is known what Service Quotas said, and what the fleet may use.
_QUOTAS_HOLD = 3600
_STANDING_HOLDS = 20
#: Seconds after its turn at which a token counts as given back, for its worker seems to be dead; a
#: living one renews those of calls that take longer. A call may be under way for as long.
_TOKEN_LASTS = 15.0
#: Seconds after its turn up to which a call may be sent: it needs time to connect and to arrive.
_SENT_WITHIN = 5.0


@dataclass(frozen=True)
class Token:
    """The right to call an operation once, a number of seconds from when it was taken."""

    operation: Operation
    #: '' if none was to be had in time
    id: str
    #: seconds until it may be used; without one, until it may be worth asking again
    wait: float
    #: when it may be used, by Redis's clock, as Redis told it
    usable_at: str
    #: until when the call may be sent, by `clock`
    send_by: float


class Admission:
    """Who may call what, and which jobs may start."""

    def __init__(self, broker: Broker, settings: WorkerSettings, lease: float) -> None:
        """Keep to the quotas in `settings`; admitted jobs are leased for `lease` seconds."""
        self._broker = broker
        self._lease = lease
        self._weights = json.dumps(settings.tenant_weights)
        #: others' jobs may have been seen in any of the last few polls
        self._others_hold = 4 * max(settings.poll_interval, MAX_INTERVAL)
        self._slots = _limit(settings, "max_running_jobs")
        self._rates: dict[Operation, str] = {
            "StartTranscriptionJob": _limit(settings, "start_rate"),
            "GetTranscriptionJob": _limit(settings, "get_rate"),
            "ListTranscriptionJobs": _limit(settings, "list_rate"),
            "DeleteTranscriptionJob": _limit(settings, "delete_rate"),
        }
        self._lock = threading.Lock()
        self._out: dict[str, Token] = {}
        #: Threads of this worker that may wait for tokens of an operation at once: all others are
        #: free for other work.
        self.waiting_room = {
            operation: threading.BoundedSemaphore(max(1, settings.concurrency // 2))
            for operation in self._rates
        }

    def admit(self) -> list[str]:
        """Give free slots to the jobs first in line; returns their ids, to be started now."""
        rate = self._rates["StartTranscriptionJob"]
        return list(self._broker.run("admit", self._slots, rate, self._lease, self._weights))

    def acquire(self, operation: Operation, patience: float) -> Token:
        """Take a token to call an operation, to be used within `patience` seconds.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        asked_at = clock()
        token_id, wait, usable_at = self._broker.run(
            "take", operation, self._rates[operation], patience, _TOKEN_LASTS
        )
        send_by = asked_at + float(wait) + _SENT_WITHIN
        token = Token(operation, token_id, float(wait), usable_at, send_by)
        if token.id:
            with self._lock:
                self._out[token.id] = token
        return token

    def release(self, token: Token, *, used: bool = True, rest: float = 0.0) -> None:
        """Give a token back; it then rests for a second, and `rest` more, if it was used.

        Raises:
            BrokerUnavailable: if Redis does not answer; it then comes back by itself.
        """
        with self._lock:
            self._out.pop(token.id, None)
        operation, rate = token.operation, self._rates[token.operation]
        unused = "" if used else token.usable_at
        self._broker.run("give", operation, rate, token.id, unused, rest)

    def extend(self) -> None:
        """Keep the tokens of calls that take long.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._lock:
            long = [each for each in self._out.values() if each.send_by < clock()]
        if long:
            words = [word for each in long for word in (each.operation, each.id)]
            self._broker.run("extend_tokens", _TOKEN_LASTS, *words)

    def limit(self, operation: Operation) -> str:
        """Calls of an operation a second, for Lua: with a `!` if the operator said so."""
        return self._rates[operation]

    def rate(self, operation: Operation) -> float:
        """Calls of an operation a second, over the whole fleet, as this worker's settings say."""
        return float(self._rates[operation].rstrip("!"))

    def throttled(self, operation: str, seconds: float) -> None:
        """AWS has throttled an operation: nobody calls it for a while, and then less often."""
        for known, rate in self._rates.items():
            if known == operation and self._broker.run("refused", operation, rate, seconds):
                log.warning("account.yielded", what=operation)

    def full(self) -> None:
        """AWS has refused to start a job, for too many run: keep to fewer slots for a while."""
        if self._broker.run("full", self._slots, _FULL_FOR):
            log.warning("account.yielded", what="slots")

    def saw_running(self, names: Iterable[str]) -> int:
        """Leave the slots to others that they have; returns how many.

        Args:
            names: the jobs that run in the account beside those that we poll for.
        """
        tried = [split_attempt(name)[0] for name in names]
        others, begun = self._broker.run("others", self._others_hold, *tried)
        if begun:
            log.warning("account.yielded", what="slots", others=others)
        return int(others)

    def learn(self, quotas: Mapping[str, float]) -> None:
        """What Service Quotas says of the account: calls a second by operation, and `slots`."""
        key = f"{PREFIX}quotas"
        words = [word for pair in quotas.items() for word in pair]
        self._broker.commands([("HSET", key, *words), ("EXPIRE", key, _QUOTAS_HOLD)])

    def report(self) -> None:
        """Let `doctor` and producers know what the fleet may use now."""
        rates = [word for pair in self._rates.items() for word in pair]
        _, *recovered = self._broker.run("standing", _STANDING_HOLDS, self._slots, *rates)
        for what in recovered:
            log.info("account.recovered", what=what)


def _limit(settings: WorkerSettings, name: str) -> str:
    # What somebody has set is meant so, even if the account would allow more.
    return f"{getattr(settings, name)}{'!' if name in settings.model_fields_set else ''}"
