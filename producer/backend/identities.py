"""Which job has, or will have, the result of a fingerprint: so that none is paid for twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from pydantic import BaseModel, ValidationError

from producer.backend import keys
from producer.backend.connection import Argument, Broker
from producer.backend.schedule import Lease
from producer.backend.workers import SILENCE
from producer.contract.job import JobState

#: Seconds after which a job that waits for its twin asks again by itself. The end of the twin makes
#: it due at once; this is for a Redis that lost its last second.
_WAIT = 300

Answer = Literal["original", "reuse", "wait", "lost"]


class KnownResult(BaseModel, frozen=True):
    """Where the result of a fingerprint is; what is found there counts if it has the digest."""

    #: the job that has it
    job: str
    #: where its files are beneath the results root of the workers, without their ending
    path: str
    #: s3:// address of the document, if a job wrote it there; it may be cleaned up
    uri: str | None = None
    #: kind -> SHA-256 of the document (`json`), and of what Transcribe wrote beside it
    digests: dict[str, str]
    #: kinds that the request asks for, and that Transcribe did not write
    not_written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Offer:
    """A result, to be recorded for its fingerprint as its job is COMPLETED."""

    fingerprint: str
    result: KnownResult
    #: for which it is remembered
    seconds: int
    #: the only job whose result it replaces, '' for none; None for any
    only_over: str | None = None

    @property
    def arguments(self) -> dict[str, object]:
        """As scripts have it."""
        only_over = {} if self.only_over is None else {"only_over": self.only_over}
        return {
            "fingerprint": self.fingerprint,
            "entry": self.result.model_dump_json(exclude_defaults=True),
            "seconds": self.seconds,
            **only_over,
        }


def fingerprint_field(fingerprint: str, mark: str) -> dict[str, str]:
    """The field of a record for a fingerprint.

    One field, as each costs some eighty bytes, of jobs that wait for a slot.

    Args:
        fingerprint: of the job; '' for none.
        mark: of audio that is not ours, which shows whether it was overwritten; '' for none.
    """
    return {"fingerprint": f"{fingerprint} {mark}".strip()}


def mark_of(record: Mapping[str, str]) -> str:
    """The mark in the field of a record; '' if it has none."""
    return record.get("fingerprint", "").partition(" ")[2]


class Identities:
    """The index of fingerprints."""

    def __init__(self, broker: Broker, *, lease: float) -> None:
        """Use `broker`; `lease` is the schedule's, in seconds."""
        self._broker = broker
        self._lease = lease

    def identify(
        self, lease: Lease, fingerprint: str, fields: Mapping[str, Argument], mark: str = ""
    ) -> tuple[Answer, str]:
        """Move a job on whose audio is in S3, by what is known of its fingerprint, in one step.

        Args:
            lease: of the upload.
            fingerprint: the job's.
            fields: for its record.
            mark: of audio that is not ours, see `fingerprint_field`.

        Returns what becomes of it, and its twin:
            original: no other has the fingerprint, so it is READY, and others wait for it.
            reuse: a result is known, so it is COLLECTING, from its twin.
            wait: the twin is on its way; the job is due again as that ends.
            lost: the lease was lost.
        """
        answer, twin = self._broker.run(
            "identify_job",
            **lease.arguments,
            fingerprint=fingerprint,
            original=JobState.READY,
            reuse=JobState.COLLECTING,
            wait=_WAIT,
            silence=SILENCE,
            lease=self._lease,
            fields={**fields, **fingerprint_field(fingerprint, mark)},
        )
        return cast("Answer", answer), str(twin)

    def find(self, fingerprint: str) -> KnownResult | None:
        """Where the result of a fingerprint is; None if nobody knows."""
        entry = self._broker.command("GET", keys.IDENTITY(fingerprint))
        if entry is None:
            return None
        try:
            return KnownResult.model_validate_json(entry)
        except ValidationError:  # a newer version wrote it
            return None

    def forget(self, fingerprint: str, job_id: str) -> bool:
        """Forget the result of a fingerprint, if it is this job's; returns whether it was."""
        return bool(self._broker.run("forget_result", fingerprint=fingerprint, id=job_id))
