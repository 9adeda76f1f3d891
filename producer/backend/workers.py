"""What each worker says of itself, so that producers and `doctor` can see the fleet."""

import secrets
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from producer.backend import keys
from producer.backend.access import check_access
from producer.backend.capacity import Account
from producer.backend.connection import Broker
from producer.contract.stages import CONTROL_LIST, CONTROL_QUEUE, QUEUES, Stage
from producer.errors import BrokerUnusable

#: Seconds of silence after which a worker is taken for dead.
SILENCE = 20.0
#: Seconds for which due work may wait before `doctor` complains: at a low rate some waits long.
UNDISPATCHED_AFTER = 120.0

Subject = Literal["credentials", "bucket", "region", "results", "audio roots", "redis"]


class Check(BaseModel, frozen=True):
    """One thing a worker looked at: fine, or what to do about it."""

    subject: Subject
    ok: bool
    #: what was found, or what to do
    message: str


class WorkerReport(BaseModel, frozen=True):
    """A worker's heartbeat."""

    name: str
    pid: int
    version: str
    queues: tuple[str, ...]
    concurrency: int
    #: stages it is at work on right now
    busy: int
    started_at: datetime
    #: by the clock of Redis
    seen_at: float
    checks: tuple[Check, ...] = ()
    #: whether it can collect the result of a job's twin, as those of 0.1 cannot
    can_reuse: bool = False


class Undispatched(BaseModel, frozen=True):
    """Due work that no worker starts, although no message waits in its queue."""

    stage: Stage
    #: entries that are due
    number: int
    #: seconds for which the first of them has been due while no worker started any of the stage
    seconds: float


class Fleet:
    """Reads and writes the workers' heartbeats."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        #: where Redis is, without any password
        self.address = broker.address

    def report(self, report: WorkerReport) -> None:
        """Leave a heartbeat, stamped with Redis's time."""
        stamped = report.model_copy(update={"seen_at": self._now()})
        name = _field(report.name, report.pid)
        self._broker.command("HSET", str(keys.WORKERS), name, stamped.model_dump_json())

    def leave(self, name: str, pid: int) -> None:
        """Remove a worker from the list."""
        self._broker.command("HDEL", str(keys.WORKERS), _field(name, pid))

    def alive(self) -> list[WorkerReport]:
        """The workers heard from lately, by name; those silent for long are forgotten."""
        now = self._now()
        alive: list[WorkerReport] = []
        for text in self._broker.command("HVALS", str(keys.WORKERS)):
            report = WorkerReport.model_validate_json(text)
            if now - report.seen_at <= SILENCE:
                alive.append(report)
            elif now - report.seen_at > 100 * SILENCE:
                self.leave(report.name, report.pid)
        return sorted(alive, key=lambda report: report.name)

    def queue_lengths(self) -> dict[str, int]:
        """How many messages wait in each queue."""
        lists = (*QUEUES, CONTROL_LIST)
        lengths = self._broker.commands(("LLEN", name) for name in lists)
        found = {name: int(length) for name, length in zip(lists, lengths, strict=True)}
        found[CONTROL_QUEUE] += found.pop(CONTROL_LIST)
        return found

    def undispatched(self) -> list[Undispatched]:
        """The stages whose work has been due for long without a worker that started any."""
        now, queued = self._now(), self.queue_lengths()
        found = []
        for stage in Stage:
            key = keys.SCHEDULE(stage)
            number, first, dispatched_at = self._broker.commands(
                [
                    ("ZCOUNT", key, "-inf", now),
                    ("ZRANGEBYSCORE", key, "-inf", now, "LIMIT", 0, 1),
                    ("HGET", str(keys.DISPATCHED), stage),
                ]
            )
            if number and not queued[stage.queue]:
                due = self._broker.command("ZSCORE", key, first[0])
                seconds = now - max(float(due or now), float(dispatched_at or 0))
                if seconds > UNDISPATCHED_AFTER:
                    found.append(Undispatched(stage=stage, number=number, seconds=seconds))
        return found

    def account(self) -> Account | None:
        """What the fleet may use of the AWS account; None while no worker is at work."""
        text = self._broker.command("GET", str(keys.CAPACITY))
        return None if text is None else Account.model_validate_json(text)

    def epoch(self) -> str:
        """A mark that stays the same for as long as Redis keeps its data."""
        answers = self._broker.commands(
            [("SETNX", str(keys.EPOCH), secrets.token_hex(8)), ("GET", str(keys.EPOCH))],
        )
        return str(answers[1])

    def redis_version(self) -> str | None:
        """The version Redis says it has; None if its user may not ask."""
        try:
            info = self._broker.command("INFO", "server")
        except BrokerUnusable:
            return None
        return str(info["redis_version"])

    def check_access(self, *, worker: bool = False) -> None:
        """See that Redis lets a producer, or a worker, do all that it needs, as in `access`."""
        check_access(self._broker, worker=worker)

    def check_writes(self) -> None:
        """See that Redis takes writes now: it may be full, or a replica.

        Raises:
            BrokerUnavailable: if it does not; `refused` says whether it has answered.
        """
        self._broker.command("SET", str(keys.ACCESS), "", "EX", "1")

    def _now(self) -> float:
        seconds, micros = self._broker.command("TIME")
        return float(seconds) + float(micros) / 1e6


def _field(name: str, pid: int) -> str:
    """Two workers may have one name, as when both were started without -n."""
    return f"{name} {pid}"
