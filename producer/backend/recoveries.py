"""Recovery: what Redis has forgotten is looked for by workers, and what they find is kept here."""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel

from producer.backend import keys
from producer.backend.connection import Argument, Broker
from producer.backend.job_store import KEY_REMEMBERED
from producer.backend.schedule import Lease
from producer.contract.job import JobState
from producer.contract.stages import FLEET, Stage
from producer.errors import RecoveryFailed, WaitTimeout

#: Seconds between two looks at how a recovery stands.
_POLL_EVERY = 0.2


class Outcome(StrEnum):
    """What became of a job that Redis had forgotten."""

    #: Amazon Transcribe is at work on it; its result will be collected
    TRANSCRIBING = "TRANSCRIBING"
    #: its result is there, and is being fetched and written
    COLLECTING = "COLLECTING"
    #: Amazon Transcribe could not do it
    FAILED = "FAILED"
    #: nothing was paid for yet, and it may have been cancelled: nothing is done about it
    NEVER_STARTED = "never-started"
    #: Amazon Transcribe ended it, but the result was deleted since
    RESULT_GONE = "result-gone"
    #: of a name that was asked for: it has a record, which was left alone
    KNOWN = "known"
    #: of a name that was asked for: there is no trace of it
    NOT_FOUND = "not-found"

    @property
    def state(self) -> JobState | None:
        """The state in which it is recorded; None if it is not."""
        return JobState(self.value) if self.value in set(JobState) else None


class FoundJob(BaseModel, frozen=True):
    """A job that was looked for, and what became of it."""

    id: str
    outcome: Outcome
    #: one sentence, where there is something to say
    message: str = ""


class Recovery(BaseModel, frozen=True):
    """How a recovery stands."""

    id: str
    #: the jobs asked for; empty for all
    names: tuple[str, ...] = ()
    #: only look; record nothing
    dry_run: bool = False
    asked_at: datetime
    finished_at: datetime | None = None
    #: why it was given up, if it was
    error: str = ""
    #: what holds it up just now, if anything does
    trouble: str = ""
    #: jobs that had a record and were left alone
    known: int = 0
    #: Transcribe jobs of others, which were left alone
    foreign: int = 0


class Recoveries:
    """Asks for recoveries, and keeps what they find."""

    def __init__(self, broker: Broker, *, retention: int, lease: float) -> None:
        """Keep answers and ended jobs `retention` seconds; `lease` is the schedule's."""
        self._broker = broker
        self._retention = retention
        self._lease = lease

    # -- for who asks ---------------------------------------------------------------------------

    def ask(self, names: Iterable[str] = (), *, dry_run: bool = False) -> Recovery:
        """Ask the workers to look; joins a recovery under way that answers the same question.

        Args:
            names: the jobs to look for; none for all.
            dry_run: only say what would be recorded.

        Raises:
            RecoveryFailed: if one that answers another question is under way.
        """
        wanted = json.dumps(sorted(set(names)))
        asked = self._broker.run(
            "ask_recovery",
            lease=self._lease,
            stage=Stage.RECOVER,
            entry=FLEET,
            id=secrets.token_hex(8),
            names=wanted,
            dry_run="yes" if dry_run else "",
        )
        if not asked:
            raise RecoveryFailed(
                "A recovery for other jobs, or with another --dry-run, is under way; "
                "ask again when it is over."
            )
        return self.get(str(asked))

    def get(self, recovery_id: str) -> Recovery:
        """How a recovery stands.

        Raises:
            RecoveryFailed: if Redis knows no more of it.
        """
        fields: dict[str, str] = self._broker.command("HGETALL", str(keys.RECOVERY))
        if fields.get("id") != recovery_id:
            raise RecoveryFailed(
                "Redis knows no more of this recovery; ask again, which is always safe."
            )
        names, dry_run = json.loads(fields["names"]), fields["dry_run"] == "yes"
        return Recovery.model_validate({**fields, "names": names, "dry_run": dry_run})

    def wait(
        self,
        recovery_id: str,
        timeout: float | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> Recovery:
        """Wait for the end of a recovery.

        Args:
            recovery_id: which one.
            timeout: seconds; None waits for ever.
            report: called with what delays it, whenever that is something new.

        Raises:
            WaitTimeout: if it is not over by then; it goes on.
            RecoveryFailed: if it was given up, or Redis knows no more of it.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        trouble = ""
        while (recovery := self.get(recovery_id)).finished_at is None:
            if limit is not None and time.monotonic() >= limit:
                raise WaitTimeout(
                    f"The recovery was not over after {timeout:g} s. It goes on; "
                    "ask again to see its end."
                )
            if recovery.trouble not in {"", trouble}:
                trouble = recovery.trouble
                report(trouble)
            time.sleep(_POLL_EVERY)
        if recovery.error:
            raise RecoveryFailed(f"The recovery was given up: {recovery.error}")
        return recovery

    def found(self) -> list[FoundJob]:
        """The jobs that the latest recovery has found so far, by id."""
        texts = self._broker.command("HVALS", str(keys.RECOVERED))
        return sorted(map(FoundJob.model_validate_json, texts), key=lambda each: each.id)

    # -- for who looks --------------------------------------------------------------------------

    def asked(self) -> Recovery:
        """What the workers were asked for last.

        Raises:
            RecoveryFailed: if Redis knows no more of it.
        """
        return self.get(str(self._broker.command("HGET", str(keys.RECOVERY), "id")))

    def note(
        self,
        lease: Lease,
        found: FoundJob,
        *,
        deadline: float = 0.0,
        key: str = "",
        fields: Mapping[str, Argument] | None = None,
    ) -> Literal["noted", "known", "lost"]:
        """Note a job that was found; with fields also record it, unless it has a record.

        Args:
            lease: the caller's right to do so.
            found: the job and what became of it.
            deadline: seconds from now after which it is given up.
            key: the S3 key that its request names, which is reserved for it.
            fields: of its record.
        """
        state = found.outcome.state if fields is not None else None
        # Thousands may come back at once: they wait as entries, not as messages.
        steps = {Stage.COLLECT: 0} if state is JobState.COLLECTING else {}
        return self._broker.run(  # type: ignore[no-any-return]
            "recover_job",
            stage=lease.stage,
            entry=lease.entry_id,
            token=lease.token,
            id=found.id,
            found=found.model_dump_json(),
            is_known=found.outcome is Outcome.KNOWN,
            state=state or "",
            steps=steps,
            lease=self._lease,
            retention=self._retention,
            deadline=deadline,
            key=key,
            key_seconds=KEY_REMEMBERED,
            fields=dict(fields or {}),
        )

    def was_found(self, job_id: str) -> bool:
        """Whether this recovery has noted a job, maybe before its worker died."""
        return bool(self._broker.command("HEXISTS", str(keys.RECOVERED), job_id))

    def note_trouble(self, reason: str) -> None:
        """Note what delays the recovery; '' if nothing does any more."""
        self._broker.command("HSET", str(keys.RECOVERY), "trouble", reason)

    def end(self, lease: Lease, *, known: int = 0, foreign: int = 0, error: str = "") -> bool:
        """Say how it ended, and be done with it; False if the lease was lost."""
        return bool(
            self._broker.run(
                "end_recovery",
                **lease.arguments,
                seconds=self._retention,
                known=known,
                foreign=foreign,
                error=error,
            )
        )
