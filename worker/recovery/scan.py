"""Scan the bucket and the account for jobs that Redis has forgotten, and record them anew.

A scan starts nothing, changes nothing at AWS and leaves a job alone that has a record; so it may be
done at any time, twice, and beside people who submit again under the same names.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import structlog

from producer.backend.recoveries import FoundJob, Outcome, Recovery
from producer.contract.attempts import attempt_name, attempt_of, split_attempt
from producer.contract.s3_uri import S3Uri
from producer.contract.stages import Stage
from producer.errors import RecoveryFailed
from worker import s3_keys
from worker.aws.objects import ListedObject
from worker.aws.transcribe import ListedJob
from worker.errors import Permanent
from worker.leases import LeaseLost
from worker.recovery.artifacts import Artifacts, artifacts_by_job
from worker.recovery.assess import Assessor
from worker.recovery.aws_calls import RetriedCalls
from worker.recovery.rebuild import Assessment, rebuild
from worker.runtime.work import Handler, Work

log = structlog.get_logger()


class Recover(Handler):
    """One scan for the whole fleet, for which `transcribe recover` has asked."""

    stage = Stage.RECOVER
    entry = "fleet"

    def run(self, work: Work) -> None:
        """Record what Redis has forgotten, and AWS still has, of the jobs asked for."""
        try:
            asked = work.worker.recoveries.asked()
        except RecoveryFailed:
            work.complete()  # Redis has forgotten that, too
            return
        log.info("recovery.started", names=len(asked.names) or "all", dry_run=asked.dry_run)
        scan = Scan(work, asked)
        for name in asked.names or ("",):
            scan.run(name)
        work.worker.recoveries.end(work.lease, known=len(scan.known), foreign=scan.foreign)
        log.info("recovery.ended", known=len(scan.known), foreign=scan.foreign)

    def abandon(self, work: Work, error: Permanent) -> None:
        """End the scan, and say why to the user who asked for it."""
        log.error("recovery.failed", code=error.code, reason=error.message)
        work.worker.recoveries.end(work.lease, error=error.message)


class Scan:
    """One scan of the bucket and the account."""

    def __init__(self, work: Work, asked: Recovery) -> None:
        self._work = work
        self._worker = work.worker
        self._dry_run = asked.dry_run
        self._settings = work.worker.settings
        self._jobs_folder = s3_keys.jobs_folder(self._settings)
        self._calls = RetriedCalls(work)
        self._assessor = Assessor(work, self._calls)
        #: the jobs found so far, each with the number of its attempt
        self._found: dict[str, int] = {}
        #: the jobs that had a record before
        self.known: set[str] = set()
        #: how many Transcribe jobs are none of ours
        self.foreign = 0

    def run(self, name: str) -> None:
        """Find one job by its name, or with '' all jobs.

        Raises:
            LeaseLost: if another worker has the recovery by now.
        """
        # List the account first: a job that ends before the bucket is listed has its result there.
        jobs = self._jobs(name)
        attempts: dict[str, set[int]] = {}
        for each in jobs:
            job_id, attempt = split_attempt(each)
            attempts.setdefault(job_id, set()).add(attempt)
        folder = s3_keys.own_folder(name, self._settings) if name else self._jobs_folder
        for artifacts in artifacts_by_job(self._objects(folder), self._jobs_folder):
            self._add_from_folder(artifacts, attempts.get(artifacts.id, set()), jobs)
        # The latest attempt says what became of a job.
        for each in sorted(jobs, key=lambda each: split_attempt(each)[1], reverse=True):
            self._add_from_account(jobs[each])
        if name and name not in self._found:
            outcome = Outcome.KNOWN if self._is_known(name) else Outcome.NOT_FOUND
            self._add(Artifacts(name, folder), Assessment(outcome, 1))

    def _add_from_folder(
        self, artifacts: Artifacts, attempts: set[int], jobs: dict[str, ListedJob]
    ) -> None:
        """Add a job by its own folder and the Transcribe jobs of its name."""
        if self._is_known(artifacts.id):
            return
        if artifacts.audio is not None:
            artifacts = replace(artifacts, audio_head=self._assessor.head(artifacts.audio.uri))
        for attempt in sorted(attempts | set(artifacts.results), reverse=True):
            name = attempt_name(artifacts.id, attempt)
            assessment = self._assessor.assess(artifacts, attempt, name, jobs.get(name))
            if assessment is not None:
                jobs.pop(name, None)
                self._add(artifacts, assessment)
                return
        if artifacts.is_uploaded:
            self._add(artifacts, Assessment(Outcome.NEVER_STARTED, 1))

    def _add_from_account(self, listed: ListedJob) -> None:
        """Add the job of a Transcribe job that no folder explains: the owner of its audio may."""
        if self._is_attempt_of_known(listed.name):
            return
        found = self._assess_by_owner(listed) if listed.names_bucket else None
        if found is None:
            self.foreign += 1
        elif not self._is_known(found[0].id):
            self._add(*found)

    def _assess_by_owner(self, listed: ListedJob) -> tuple[Artifacts, Assessment] | None:
        description = self._assessor.describe(listed.name)
        if description is None:
            return None
        answered = S3Uri.answered(description.status.media_uri)
        uri = s3_keys.in_our_bucket(answered, self._settings)
        if uri is None:
            return None
        head = self._assessor.head(uri)
        if head is None or head.owner is None:
            return None
        attempt = attempt_of(listed.name, head.owner)
        if attempt is None:
            return None
        folder = s3_keys.own_folder(head.owner, self._settings)
        audio = ListedObject(uri, head.modified_at)
        artifacts = Artifacts(head.owner, folder, audio, head)
        assessment = self._assessor.assess_description(artifacts, attempt, description)
        return None if assessment is None else (artifacts, assessment)

    def _add(self, artifacts: Artifacts, assessment: Assessment) -> None:
        """Record a job, unless somebody has meanwhile, and add it to what the user sees."""
        self._found[artifacts.id] = assessment.attempt
        recoveries, settings = self._worker.recoveries, self._settings
        found = FoundJob(id=artifacts.id, outcome=assessment.outcome, message=assessment.message)
        if assessment.outcome.state is None or self._dry_run:
            answer = recoveries.note(self._work.lease, found)
        else:
            request, fields = rebuild(artifacts, assessment, settings)
            answer = recoveries.note(
                self._work.lease,
                found,
                deadline=request.deadline or settings.deadline,
                key=s3_keys.reserved_with(request.key) if request.key is not None else "",
                fields=fields,
            )
        if answer == "lost":
            raise LeaseLost
        if answer == "known":
            self.known.add(artifacts.id)
        outcome = assessment.outcome.value
        log.info("recovery.found", job_id=artifacts.id, outcome=outcome, noted=answer)

    def _is_known(self, job_id: str) -> bool:
        """Whether a job needs no assessment: it has a record, or was found already."""
        if job_id in self._found or job_id in self.known:
            return True
        job = self._worker.store.get_many([job_id])[job_id]
        if job is None:
            return False
        if self._worker.recoveries.was_found(job_id):
            # By this recovery itself, before its worker died.
            self._found[job_id] = job.attempt
        else:
            self.known.add(job_id)
        return True

    def _is_attempt_of_known(self, name: str) -> bool:
        """Whether a Transcribe job is an attempt of a job that needs no assessment."""
        job_id, attempt = split_attempt(name)
        if attempt <= self._found.get(job_id, 0):
            return True
        job = self._worker.store.get_many([job_id])[job_id]
        return job is not None and attempt <= job.attempt and self._is_known(job_id)

    def _jobs(self, name: str) -> dict[str, ListedJob]:
        """The jobs of the account by name, or those that may be attempts of one job."""
        found: dict[str, ListedJob] = {}
        token = ""
        while True:
            page = partial(self._worker.transcribe.jobs, name, token)
            listed, token = self._calls.call(page, "ListTranscriptionJobs")
            for each in listed:
                if not name or attempt_of(each.name, name) is not None:
                    found[each.name] = each
            if not token:
                return found

    def _objects(self, folder: S3Uri) -> Iterator[ListedObject]:
        """All objects in a folder and its folders, in S3's order."""
        last: S3Uri | None = None
        while page := self._calls.call(partial(self._worker.storage.objects, folder, last)):
            yield from page
            last = page[-1].uri
