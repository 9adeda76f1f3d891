"""What the fleet may use of the AWS account, where other software may use it, too."""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass

from pydantic import BaseModel

from producer.backend import keys
from producer.backend.connection import Broker
from producer.backend.rate_limiter import Operation
from producer.contract.attempts import split_attempt

#: Seconds for which it is known what Service Quotas said, and what the fleet may use.
_QUOTAS_EXPIRE = 3600
_REPORT_EXPIRES = 20
#: The part of what it used that the fleet keeps to after a refusal: of calls a second, of slots.
_RATE_KEPT, _SLOTS_KEPT = 0.5, 0.75
#: Seconds for which nobody starts anything once the account was full.
_FULL_FOR = 2.0


class Rate(BaseModel, frozen=True):
    """Calls of an operation of Amazon Transcribe."""

    operation: str
    #: calls a second that the account allows, by the settings or Service Quotas
    quota: float
    #: those that the fleet makes at most now
    tokens: int
    #: the part of the quota that the fleet keeps to: less than 1 since AWS has refused a call
    backoff_factor: float
    #: calls that AWS has refused so far
    refused: int


class Account(BaseModel, frozen=True):
    """What the fleet may use of the AWS account now."""

    #: jobs that may run at once
    slots: int
    #: those that the account allows, by the settings or Service Quotas
    quota: int
    #: running jobs of other software, as they were seen last
    others: int
    #: starts that AWS has refused so far, for too many jobs ran
    refused: int
    #: whether Service Quotas has said anything
    measured: bool
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class Capacity:
    """The slots of the account: admits jobs to them, and adapts to what AWS and others do.

    It keeps to the limits of this worker's settings.
    """

    broker: Broker
    _: KW_ONLY
    #: jobs at once; with a `!` if the operator said so, as `rates`
    slots: str
    #: calls a second of each operation
    rates: Mapping[Operation, str]
    #: of tenants, 1 where none is named
    weights: Mapping[str, float]
    #: in seconds
    lease: float
    #: seconds for which other software's jobs count as running once seen
    others_expire: float

    def admit(self) -> list[str]:
        """Give free slots to the jobs whose turn it is; returns their ids, to be started now."""
        return list(
            self.broker.run(
                "admit_jobs",
                slots=self.slots,
                start_rate=self.rates["StartTranscriptionJob"],
                lease=self.lease,
                weights=dict(self.weights),
            )
        )

    def record_throttling(self, operation: str, seconds: float) -> bool:
        """AWS throttled an operation: nobody calls it for `seconds`, and then less often.

        Returns whether the fleet was not slowed before.
        """
        return any(
            self._record_refusal(known, known, limit, _RATE_KEPT, seconds)
            for known, limit in self.rates.items()
            if known == operation
        )

    def record_full(self) -> bool:
        """AWS refused to start a job, for too many run: use fewer slots for a while.

        Returns whether the fleet was not slowed before.
        """
        return self._record_refusal(
            "slots", "StartTranscriptionJob", self.slots, _SLOTS_KEPT, _FULL_FOR
        )

    def _record_refusal(
        self, what: str, operation: Operation, limit: str, kept: float, seconds: float
    ) -> bool:
        return bool(
            self.broker.run(
                "record_refusal",
                what=what,
                operation=operation,
                limit=limit,
                kept=kept,
                seconds=seconds,
            )
        )

    def record_other_jobs(self, names: Iterable[str]) -> tuple[int, bool]:
        """Leave other software the slots that it has.

        Args:
            names: the jobs that run in the account beside those that we poll for.

        Returns how many are others', and whether that slows the fleet and it was not slowed before.
        """
        others, is_new = self.broker.run(
            "record_other_jobs",
            seconds=self.others_expire,
            jobs=[split_attempt(name)[0] for name in names],
        )
        return int(others), bool(is_new)

    def learn(self, quotas: Mapping[str, float]) -> None:
        """Keep what Service Quotas says: calls a second by operation, and `slots`."""
        key = str(keys.QUOTAS)
        words = [word for pair in quotas.items() for word in pair]
        self.broker.commands([("HSET", key, *words), ("EXPIRE", key, _QUOTAS_EXPIRE)])

    def report(self) -> list[str]:
        """Report what the fleet may use now; returns what it may use in full again."""
        rates = [{"operation": each, "limit": limit} for each, limit in self.rates.items()]
        return list(
            self.broker.run(
                "report_capacity", seconds=_REPORT_EXPIRES, slots=self.slots, rates=rates
            )
        )
