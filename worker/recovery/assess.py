"""Judge: what became of a job that Redis has forgotten, by what AWS shows of one attempt."""

from __future__ import annotations

from functools import partial

import structlog

from producer.backend.recoveries import Outcome
from worker import s3_layout
from worker.aws.document_head import HEAD_BYTES, job_named_in
from worker.aws.inventory import Description, ListedJob, ListedObject
from worker.aws.objects import StoredObject
from worker.aws.transcribe import Failed, Running
from worker.errors import Permanent
from worker.recovery.artifacts import Artifacts
from worker.recovery.aws_calls import PatientCalls
from worker.recovery.rebuild import Assessment, noted_request
from worker.runtime.work import Work

log = structlog.get_logger()


class Assessor:
    """Asks S3 and Transcribe no more than a verdict needs."""

    def __init__(self, work: Work, patience: PatientCalls, prefix: str) -> None:
        """Call AWS by `patience`; `prefix` is what the addresses of all our objects begin with."""
        self._worker = work.worker
        self._patience = patience
        self._prefix = prefix

    def of_folder(
        self, artifacts: Artifacts, attempt: int, name: str, listed: ListedJob | None
    ) -> Assessment | None:
        """What became of a job by one attempt; None if that was not made for this job's audio.

        Args:
            traces: what the bucket has of the job.
            attempt: its number.
            name: of its Transcribe job.
            listed: that job, if the account has it.

        Raises:
            Transient, Permanent: as AWS's error is classified.
        """
        result = artifacts.results.get(attempt)
        if listed is not None:
            if listed.completed and result is not None and noted_request(artifacts) is not None:
                # What the lists and the note say together needs no call.
                if not artifacts.outlive(listed.created_at):
                    return None
                return Assessment(
                    Outcome.COLLECTING, attempt, result.uri, started_at=listed.created_at
                )
            description = self.describe(name)
            if description is not None:
                return self.of_description(artifacts, attempt, description)
        if result is not None and self._is_result(artifacts, result, name):
            # How long it took is not known; whoever judged it has seen that it is no older job's.
            since = result.modified_at
            return Assessment(Outcome.COLLECTING, attempt, result.uri, started_at=since)
        return None

    def of_description(
        self, artifacts: Artifacts, attempt: int, description: Description
    ) -> Assessment | None:
        """The same by what Transcribe tells of the attempt."""
        status = description.status
        fits = artifacts.fit(status.media_uri, self._prefix) and artifacts.outlive(
            status.created_at
        )
        if not fits:
            return None
        if isinstance(status, Running):
            return Assessment(Outcome.TRANSCRIBING, attempt, description=description)
        if isinstance(status, Failed):
            return Assessment(Outcome.FAILED, attempt, "", status.reason, description)
        result = artifacts.results.get(attempt)
        uri = result.uri if result is not None else self._told(status.transcript_uri)
        outcome = Outcome.COLLECTING if uri else Outcome.RESULT_GONE
        return Assessment(outcome, attempt, uri, description=description)

    def describe(self, name: str) -> Description | None:
        """All that Transcribe tells of a job; None if there is none of that name."""
        describe = partial(self._worker.inventory.describe, name)
        return self._patience.call(describe, "GetTranscriptionJob")

    def find(self, uri: str) -> StoredObject | None:
        """Look at an object; None also if only others may see it."""
        try:
            return self._patience.call(partial(self._worker.storage.find, uri))
        except Permanent as error:
            log.warning("recovery.unseen", uri=uri, reason=error.message)
            return None

    def _told(self, transcript_uri: str | None) -> str:
        """The address of a result where Transcribe says it is; '' if it is not there."""
        uri = s3_layout.uri_from_url(transcript_uri or "", self._worker.settings.bucket)
        return uri if uri is not None and self.find(uri) is not None else ""

    def _is_result(self, artifacts: Artifacts, result: ListedObject, name: str) -> bool:
        """Whether a document that no Transcribe job explains is the result of this job."""
        if not artifacts.outlive(result.modified_at):
            return False
        try:
            peek = partial(self._worker.storage.peek, result.uri, HEAD_BYTES)
            _, head = self._patience.call(peek)
        except Permanent:
            return False
        return job_named_in(head) == name
