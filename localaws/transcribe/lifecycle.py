"""The life of a job from its start to its end, with any recogniser."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from localaws.s3.objects import ObjectStore
from localaws.transcribe import document, outputs
from localaws.transcribe.jobs import Job, JobTable
from localaws.transcribe.speech import Recognition

logger = logging.getLogger("localaws")


@dataclass(frozen=True, slots=True)
class Failure:
    """A job cannot complete; `reason` is its FailureReason."""

    reason: str


#: Called once for each job, from any thread, with its outcome.
OnEnd = Callable[[Job, Recognition | Failure], None]


class Recogniser(Protocol):
    """Turns jobs into recognitions, asynchronously."""

    def unsupported(self, job: Job) -> str | None:
        """Why it cannot recognise this job; None if it can."""

    def submit(self, job: Job) -> None:
        """Start a job. Returns at once and calls OnEnd later."""

    def close(self) -> None:
        """End every process and thread. Jobs that run stay as they are."""


class Lifecycle:
    """Sends jobs to their recogniser and their results to S3."""

    def __init__(
        self,
        table: JobTable,
        store: ObjectStore,
        make_recogniser: Callable[[ObjectStore, OnEnd], Recogniser],
    ) -> None:
        self.table = table
        self.store = store
        self.recogniser = make_recogniser(store, self.end)

    def start(self, job: Job) -> None:
        """A job is IN_PROGRESS: submit it, or fail it if it is unsupported."""
        # A failed job may let the next one run, which may fail: a loop, for there may be 10,000.
        todo = deque([job])
        while todo:
            following = todo.popleft()
            reason = self.recogniser.unsupported(following)
            if reason:
                todo.extend(self.finish(following, Failure(reason)))
            else:
                self.recogniser.submit(following)

    def end(self, job: Job, outcome: Recognition | Failure) -> None:
        """A job has ended: write its results, record its state, begin deferred jobs."""
        for following in self.finish(job, outcome):
            self.start(following)

    def finish(self, job: Job, outcome: Recognition | Failure) -> list[Job]:
        """Write the results of a job and record its state; returns deferred jobs that now run."""
        if isinstance(outcome, Failure):
            return self.table.fail(job, outcome.reason)
        return self._complete(job, outcome)

    def _complete(self, job: Job, recognition: Recognition) -> list[Job]:
        identified = job.request.get("IdentifyLanguage") or job.request.get(
            "IdentifyMultipleLanguages"
        )
        if identified and not recognition.utterances:
            return self.table.fail(
                job,
                "Your audio file must have a speech segment long enough in duration to perform "
                "automatic language identification.",
            )
        try:
            uris = outputs.write(self.store, job, recognition)
        except LookupError as error:
            return self.table.fail(job, f"The transcript could not be written. {error}")
        except Exception as error:  # A job must end, and no longer count as running.
            logger.exception("Cannot write the result of job %s", job.name)
            return self.table.fail(job, f"Internal error: {error!r}")
        return self.table.complete(job, _found(job, recognition), uris)


def _found(job: Job, recognition: Recognition) -> dict[str, Any]:
    """What the service adds to a record once it has heard the recording."""
    found: dict[str, Any] = {
        "MediaFormat": recognition.media_format,
        "MediaSampleRateHertz": recognition.sample_rate,
    }
    language = document.assumed_language(job.request)
    if job.request.get("IdentifyMultipleLanguages"):
        duration = round(recognition.duration, 3)
        found["LanguageCodes"] = [{"LanguageCode": language, "DurationInSeconds": duration}]
    elif job.request.get("IdentifyLanguage"):
        found["LanguageCode"] = language
        found["IdentifiedLanguageScore"] = document.ASSUMED_SCORE
    return {name: value for name, value in found.items() if value is not None}
