"""What became of a job that Redis has forgotten, by what AWS shows of one of its attempts."""

from functools import partial

import structlog

from producer.backend.recoveries import Outcome
from producer.contract.s3_uri import S3Uri
from worker import s3_keys
from worker.aws.document_head import HEAD_BYTES, job_named_in
from worker.aws.objects import ListedObject, StoredObject
from worker.aws.transcribe import Description, Failed, ListedJob, Running
from worker.errors import Permanent
from worker.recovery.artifacts import Artifacts
from worker.recovery.aws_calls import RetriedCalls
from worker.recovery.rebuild import Assessment, request_of
from worker.runtime.work import Work

log = structlog.get_logger()


class Assessor:
    """Asks S3 and Transcribe no more than an assessment needs."""

    def __init__(self, work: Work, calls: RetriedCalls) -> None:
        """Call AWS by `calls`."""
        self._worker = work.worker
        self._calls = calls
        self._jobs_folder = s3_keys.jobs_folder(work.worker.settings)

    def assess(
        self, artifacts: Artifacts, attempt: int, name: str, listed: ListedJob | None
    ) -> Assessment | None:
        """What became of a job by one attempt; None if that was not made from this job's audio.

        Args:
            artifacts: what S3 has of the job.
            attempt: its number.
            name: of its Transcribe job.
            listed: that job, if the account has it.
        """
        result = artifacts.results.get(attempt)
        if listed is not None:
            if listed.completed and result is not None and request_of(artifacts) is not None:
                # The lists and the stored request say all, without a call.
                if not artifacts.match_time(listed.created_at):
                    return None
                return Assessment(
                    Outcome.COLLECTING, attempt, result.uri, started_at=listed.created_at
                )
            description = self.describe(name)
            if description is not None:
                return self.assess_description(artifacts, attempt, description)
        if result is not None and self._is_result(artifacts, result, name):
            # Nobody knows how long it took; `_is_result` excludes that it is of an older job.
            since = result.modified_at
            return Assessment(Outcome.COLLECTING, attempt, result.uri, started_at=since)
        return None

    def assess_description(
        self, artifacts: Artifacts, attempt: int, description: Description
    ) -> Assessment | None:
        """The same by what Transcribe says of the attempt."""
        status = description.status
        if not (
            artifacts.match_media(status.media_uri, self._jobs_folder)
            and artifacts.match_time(status.created_at)
        ):
            return None
        if isinstance(status, Running):
            return Assessment(Outcome.TRANSCRIBING, attempt, description=description)
        if isinstance(status, Failed):
            return Assessment(Outcome.FAILED, attempt, "", status.reason, description)
        result = artifacts.results.get(attempt)
        uri = result.uri if result is not None else self._existing(status.transcript_uri)
        outcome = Outcome.COLLECTING if uri else Outcome.RESULT_GONE
        return Assessment(outcome, attempt, uri, description=description)

    def describe(self, name: str) -> Description | None:
        """All that Transcribe says of a job; None if no job has that name."""
        describe = partial(self._worker.transcribe.describe, name)
        return self._calls.call(describe, "GetTranscriptionJob")

    def head(self, uri: S3Uri) -> StoredObject | None:
        """What S3 says of an object; None if it does not exist, or the worker may not see it."""
        try:
            return self._calls.call(partial(self._worker.storage.head, uri))
        except Permanent as error:
            log.warning("recovery.object_hidden", uri=uri, reason=error.message)
            return None

    def _existing(self, uri: S3Uri | None) -> str:
        """The URI of a result where Transcribe says it is; '' if it is not there."""
        found = s3_keys.in_our_bucket(uri, self._worker.settings)
        return found if found is not None and self.head(found) is not None else ""

    def _is_result(self, artifacts: Artifacts, result: ListedObject, name: str) -> bool:
        """Whether a document that no Transcribe job explains is the result of this job."""
        if not artifacts.match_time(result.modified_at):
            return False
        read = partial(self._worker.storage.read_head, result.uri, HEAD_BYTES)
        try:
            _, head = self._calls.call(read)
        except Permanent:
            return False
        return job_named_in(head) == name
