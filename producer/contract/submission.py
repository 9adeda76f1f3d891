"""A checked request as Redis records it: small, because a process keeps many at once."""

from typing import NamedTuple, Self

from producer.contract.request import TranscriptionRequest

#: In the field `rebuilt` of a recovered record: nobody knows for which audio it was submitted.
ANY_AUDIO = "*"


class Submission(NamedTuple):
    """What Redis needs to record a job, in about a tenth of a request's memory."""

    job_id: str
    #: canonical JSON
    request: str
    #: seconds; None means that of the settings
    deadline: float | None
    priority: int
    audio: str
    tenant: str

    @classmethod
    def of(cls, request: TranscriptionRequest, job_id: str | None = None) -> Self:
        """The request with `job_id` as its id, else its own name, else a new id."""
        job_id = job_id or request.new_job_id()
        if request.name != job_id:
            # With its id as its name, submitting it again under that name is the same request.
            request = request.model_copy(update={"name": job_id})
        return cls(
            job_id,
            request.canonical(),
            request.deadline,
            request.priority,
            request.audio,
            request.tenant,
        )
