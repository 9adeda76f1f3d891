"""Adoption: what Redis has forgotten is looked for by workers, and what they find is kept here.

With `store`, `schedule` and the scripts in `lua/` this knows Redis keys.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from producer.backend.connection import Argument, Broker
from producer.backend.job_store import KEY_REMEMBERED, PREFIX
from producer.backend.schedule import Hold
from producer.contract.job import JobState, Stage
from producer.errors import AdoptionFailed, WaitTimeout

_ADOPTION = f"{PREFIX}adoption"
_FOUND = f"{_ADOPTION}:jobs"
#: Seconds between two looks at how an adoption stands.
_LOOK_EVERY = 0.2


class Became(StrEnum):
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


class Found(BaseModel):
    """A job that was looked for, and what became of it."""

    model_config = ConfigDict(frozen=True)

    id: str
    became: Became
    #: one sentence, where there is something to say
    message: str = ""


class Adoption(BaseModel):
    """How an adoption stands."""

    model_config = ConfigDict(frozen=True)

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


class Adoptions:
    """Asks for adoptions, and keeps what they find."""

    def __init__(self, broker: Broker, *, retention: float, lease: float) -> None:
        """Keep answers and ended jobs `retention` seconds; `lease` is the schedule's."""
        self._broker = broker
        self._retention = retention
        self._lease = lease

    # -- for who asks ---------------------------------------------------------------------------

    def ask(self, names: Iterable[str] = (), *, dry_run: bool = False) -> Adoption:
        """Ask the workers to look; joins an adoption under way that answers the same question.

        Args:
            names: the jobs to look for; none for all.
            dry_run: only say what would be recorded.

        Raises:
            AdoptionFailed: if one that answers another question is under way.
            BrokerUnavailable: if Redis does not answer.
        """
        wanted = json.dumps(sorted(set(names)))
        asked = self._broker.run(
            "ask_adoption", self._lease, secrets.token_hex(8), wanted, "yes" if dry_run else ""
        )
        if not asked:
            raise AdoptionFailed(
                "An adoption for other jobs, or with another --dry-run, is under way; "
                "ask again when it is over."
            )
        return self.get(str(asked))

    def get(self, adoption_id: str) -> Adoption:
        """How an adoption stands.

        Raises:
            AdoptionFailed: if Redis knows no more of it.
        """
        fields: dict[str, str] = self._broker.command("HGETALL", _ADOPTION)
        if fields.get("id") != adoption_id:
            raise AdoptionFailed(
                "Redis knows no more of this adoption; ask again, which is always safe."
            )
        return Adoption(
            id=adoption_id,
            names=tuple(json.loads(fields["names"])),
            dry_run=fields["dry_run"] == "yes",
            asked_at=_moment(fields["asked_at"]),
            finished_at=_moment(fields["finished_at"]) if "finished_at" in fields else None,
            error=fields.get("error", ""),
            trouble=fields.get("trouble", ""),
            known=int(fields.get("known", 0)),
            foreign=int(fields.get("foreign", 0)),
        )

    def wait(
        self,
        adoption_id: str,
        timeout: float | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> Adoption:
        """Wait for the end of an adoption.

        Args:
            adoption_id: which one.
            timeout: seconds; None waits for ever.
            told: called with what holds it up, whenever that is something new.

        Raises:
            WaitTimeout: if it is not over by then; it goes on.
            AdoptionFailed: if it was given up, or Redis knows no more of it.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        trouble = ""
        while (adoption := self.get(adoption_id)).finished_at is None:
            if limit is not None and time.monotonic() >= limit:
                raise WaitTimeout(
                    f"The adoption was not over after {timeout:g} s. It goes on; "
                    "ask again to see its end."
                )
            if adoption.trouble not in {"", trouble}:
                trouble = adoption.trouble
                told(trouble)
            time.sleep(_LOOK_EVERY)
        if adoption.error:
            raise AdoptionFailed(f"The adoption was given up: {adoption.error}")
        return adoption

    def found(self) -> list[Found]:
        """The jobs that the latest adoption has found so far, by id."""
        texts = self._broker.command("HVALS", _FOUND)
        return sorted(map(Found.model_validate_json, texts), key=lambda each: each.id)

    # -- for who looks --------------------------------------------------------------------------

    def asked(self) -> Adoption:
        """What the workers were asked for last.

        Raises:
            AdoptionFailed: if Redis knows no more of it.
        """
        return self.get(str(self._broker.command("HGET", _ADOPTION, "id")))

    def note(
        self,
        hold: Hold,
        found: Found,
        *,
        deadline: float = 0.0,
        key: str = "",
        fields: Mapping[str, Argument] | None = None,
    ) -> Literal["noted", "known", "lost"]:
        """Note a job that was found; with fields also record it, unless it has a record.

        Args:
            hold: the caller's right to do so.
            found: the job and what became of it.
            deadline: seconds from now after which it is given up.
            key: the S3 key that its request names, which is reserved for it.
            fields: of its record.
        """
        state = found.became.state if fields is not None else None
        follows = {JobState.TRANSCRIBING: "running", JobState.COLLECTING: Stage.COLLECT.value}
        return self._broker.run(  # type: ignore[no-any-return]
            "adopt",
            hold.generation,
            found.id,
            found.model_dump_json(),
            state or ("known" if found.became is Became.KNOWN else ""),
            follows.get(state, "") if state else "",
            self._retention,
            deadline,
            key,
            KEY_REMEMBERED,
            *(word for pair in (fields or {}).items() for word in pair),
        )

    def was_found(self, job_id: str) -> bool:
        """Whether this adoption has noted a job, maybe before its worker died."""
        return bool(self._broker.command("HEXISTS", _FOUND, job_id))

    def held_up(self, reason: str) -> None:
        """Say what holds the adoption up; '' if nothing does any more."""
        self._broker.command("HSET", _ADOPTION, "trouble", reason)

    def end(self, hold: Hold, *, known: int = 0, foreign: int = 0, error: str = "") -> bool:
        """Say how it ended, and be done with it; False if the hold was lost."""
        kept = max(1, int(self._retention))
        return bool(self._broker.run("end_adoption", hold.generation, kept, known, foreign, error))


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
