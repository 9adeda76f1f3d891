"""A request that was checked, as it goes into Redis: small, for many are held at once."""

from __future__ import annotations

from typing import NamedTuple, Self

from producer.contract.request import TranscriptionRequest

#: In the field `rebuilt` of a recovered record: nobody knows for which audio it was submitted.
ANY_AUDIO = "*"


class Submission(NamedTuple):
    """What recording a job takes, in about a tenth of a request's memory."""

    job_id: str
    #: canonical JSON
    request: str
    #: seconds; None leaves it to the settings
    deadline: float | None
    priority: int
    audio: str
    tenant: str

    @classmethod
    def of(cls, request: TranscriptionRequest, job_id: str | None = None) -> Self:
        """A request under `job_id`, else under its own name, else under a new id."""
        job_id = job_id or request.new_job_id()
        if request.name != job_id:
            # Under its id, so that submitting again under that name is the same request.
            request = request.model_copy(update={"name": job_id})
        return cls(
            job_id,
            request.canonical(),
            request.deadline,
            request.priority,
            request.audio,
            request.tenant,
        )
