"""The life of a job from its start to its end, with any recogniser."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from localaws.faults import RESULT_KINDS, FaultInjector
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

    def processes(self) -> dict[int, int]:
        """The process of every job that has one now, by the job's sequence number."""

    def close(self) -> None:
        """End every process and thread. Jobs that run stay as they are."""


class Lifecycle:
    """Sends jobs to their recogniser and their results to S3."""

    def __init__(
        self,
        table: JobTable,
        store: ObjectStore,
        faults: FaultInjector,
        make_recogniser: Callable[[OnEnd], Recogniser],
    ) -> None:
        self._table = table
        self._store = store
        self._faults = faults
        self._lock = threading.Lock()
        self._stuck: list[tuple[Job, Recognition | Failure]] = []
        self.recogniser = make_recogniser(self.end)

    def start(self, job: Job) -> None:
        """A job is IN_PROGRESS: submit it, or fail it if it is unsupported."""
        # A failed job may let the next one run, which may fail: a loop, for there may be 10,000.
        todo = deque([job])
        while todo:
            following = todo.popleft()
            reason = self.recogniser.unsupported(following)
            if reason:
                todo.extend(self._finish(following, Failure(reason)))
            else:
                self.recogniser.submit(following)

    def end(self, job: Job, outcome: Recognition | Failure) -> None:
        """A job has ended: write its results, record its state, begin deferred jobs."""
        with self._lock:
            if self._faults.for_job(job.name, "stuck"):
                self._stuck.append((job, outcome))
                return
        for following in self._finish(job, outcome):
            self.start(following)

    def clear_faults(self) -> None:
        """Clear all faults; jobs that are stuck end now."""
        with self._lock:
            self._faults.clear()
            stuck, self._stuck = self._stuck, []
        for job, outcome in stuck:
            self.end(job, outcome)

    def _finish(self, job: Job, outcome: Recognition | Failure) -> list[Job]:
        """Returns the deferred jobs that now run."""
        if not self._faults.for_job(job.name, "delete_job"):
            return self._ended(job, outcome)
        with self._table.lock:  # no call sees it between its end and its deletion
            following = self._ended(job, outcome)
            self._table.delete(job.region, job.name)
        return following

    def _ended(self, job: Job, outcome: Recognition | Failure) -> list[Job]:
        if fault := self._faults.for_job(job.name, "fail"):
            return self._table.fail(job, fault.reason)
        if isinstance(outcome, Failure):
            return self._table.fail(job, outcome.reason)
        return self._complete(job, outcome)

    def _complete(self, job: Job, recognition: Recognition) -> list[Job]:
        identified = job.request.get("IdentifyLanguage") or job.request.get(
            "IdentifyMultipleLanguages"
        )
        if identified and not recognition.utterances:
            return self._table.fail(
                job,
                "Your audio file must have a speech segment long enough in duration to perform "
                "automatic language identification.",
            )
        try:
            fault = self._faults.for_job(job.name, *RESULT_KINDS)
            uris = outputs.write(self._store, job, recognition, fault)
        except LookupError as error:
            return self._table.fail(job, f"The transcript could not be written. {error}")
        except Exception as error:  # A job must end, and no longer count as running.
            logger.exception("Cannot write the result of job %s", job.name)
            return self._table.fail(job, f"Internal error: {error!r}")
        return self._table.complete(job, _found(job, recognition), uris)


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
