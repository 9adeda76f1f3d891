"""Adopt: look through the bucket and the account for jobs that Redis has forgotten.

Nothing is started, nothing at AWS is changed, and a job that has a record is left alone; so all of
it may be done at any time, twice, and beside people who submit again under the same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import structlog

from producer.backend.recoveries import FoundJob, Outcome, Recovery
from producer.contract.attempts import attempt_name, attempt_of, split_attempt
from producer.contract.job import Stage
from producer.errors import RecoveryFailed
from worker.aws.inventory import ListedJob, ListedObject
from worker.errors import Permanent
from worker.leases import LeaseLost
from worker.recovery.artifacts import Artifacts, folders
from worker.recovery.assess import Assessor
from worker.recovery.aws_calls import PatientCalls
from worker.recovery.rebuild import Assessment, rebuild
from worker.runtime.work import Handler, Work
from worker.s3_keys import reserved_with

log = structlog.get_logger()


class Recover(Handler):
    """One search for the whole fleet, as `transcribe recover` has asked for it."""

    stage = Stage.RECOVER

    def run(self, work: Work) -> None:
        """Record what Redis has forgotten, and AWS still has, of the jobs asked for."""
        try:
            asked = work.worker.recoveries.asked()
        except RecoveryFailed:
            work.complete()  # Redis has forgotten that, too
            return
        log.info("recovery.started", names=len(asked.names) or "all", dry_run=asked.dry_run)
        search = Search(work, asked)
        for name in asked.names or ("",):
            search.run(name)
        work.worker.recoveries.end(work.lease, known=len(search.known), foreign=search.foreign)
        log.info("recovery.ended", known=len(search.known), foreign=search.foreign)

    def give_up(self, work: Work, error: Permanent) -> None:
        """End the search; who has asked for it reads why."""
        log.error("recovery.failed", code=error.code, reason=error.message)
        work.worker.recoveries.end(work.lease, error=error.message)


class Search:
    """One search of the bucket and the account."""

    def __init__(self, work: Work, asked: Recovery) -> None:
        self._work = work
        self._worker = work.worker
        self._dry_run = asked.dry_run
        self._patience = PatientCalls(work)
        settings = work.worker.settings
        self._bucket = f"s3://{settings.bucket}/"
        self._prefix = f"{self._bucket}{settings.prefix}"
        self._judge = Assessor(work, self._patience, self._prefix)
        #: the jobs noted so far, each with the number of its attempt
        self._noted: dict[str, int] = {}
        #: the jobs that had a record before
        self.known: set[str] = set()
        #: how many Transcribe jobs are none of ours
        self.foreign = 0

    def run(self, name: str) -> None:
        """Look for one job by its name, or with '' for all.

        Raises:
            Transient, Permanent: as AWS's error is classified.
            LeaseLost: if another worker searches by now.
        """
        # The account first: what ends between the two has its result in the bucket then.
        jobs = self._jobs(name)
        attempts: dict[str, set[int]] = {}
        for each in jobs:
            job_id, attempt = split_attempt(each)
            attempts.setdefault(job_id, set()).add(attempt)
        beneath = f"{self._prefix}{name}/" if name else self._prefix
        for artifacts in folders(self._objects(beneath), self._prefix):
            self._folder(artifacts, attempts.get(artifacts.id, set()), jobs)
        # The latest attempt of a job tells how it stands.
        for each in sorted(jobs, key=lambda each: split_attempt(each)[1], reverse=True):
            self._elsewhere(jobs[each])
        if name and name not in self._noted:
            found = Outcome.KNOWN if self._is_known(name) else Outcome.NOT_FOUND
            self._note(Artifacts(name, beneath), Assessment(found, 1))

    def _folder(self, artifacts: Artifacts, attempts: set[int], jobs: dict[str, ListedJob]) -> None:
        """What a job's own folder tells, and the Transcribe jobs of its name."""
        if self._is_known(artifacts.id):
            return
        if artifacts.audio is not None:
            artifacts = artifacts.marked(self._judge.find(artifacts.audio.uri))
        for attempt in sorted(attempts | set(artifacts.results), reverse=True):
            name = attempt_name(artifacts.id, attempt)
            verdict = self._judge.of_folder(artifacts, attempt, name, jobs.get(name))
            if verdict is not None:
                jobs.pop(name, None)
                self._note(artifacts, verdict)
                return
        if artifacts.is_marked:
            self._note(artifacts, Assessment(Outcome.NEVER_STARTED, 1))

    def _elsewhere(self, listed: ListedJob) -> None:
        """A Transcribe job that no folder explains: the mark on its audio may."""
        if self._is_attempt_of_known(listed.name):
            return
        found = self._by_mark(listed) if listed.names_bucket else None
        if found is None:
            self.foreign += 1
        elif not self._is_known(found[0].id):
            self._note(*found)

    def _by_mark(self, listed: ListedJob) -> tuple[Artifacts, Assessment] | None:
        description = self._judge.describe(listed.name)
        if description is None or not description.status.media_uri.startswith(self._bucket):
            return None
        uri = description.status.media_uri
        there = self._judge.find(uri)
        if there is None or there.owner is None:
            return None
        attempt = attempt_of(listed.name, there.owner)
        if attempt is None:
            return None
        audio = ListedObject(uri, there.modified_at)
        artifacts = Artifacts(there.owner, f"{self._prefix}{there.owner}/", audio, there)
        verdict = self._judge.of_description(artifacts, attempt, description)
        return None if verdict is None else (artifacts, verdict)

    def _note(self, artifacts: Artifacts, verdict: Assessment) -> None:
        """Record a job, unless somebody has meanwhile, and tell whoever asked."""
        self._noted[artifacts.id] = verdict.attempt
        recoveries, settings = self._worker.recoveries, self._worker.settings
        found = FoundJob(id=artifacts.id, outcome=verdict.outcome, message=verdict.message)
        if verdict.outcome.state is None or self._dry_run:
            answer = recoveries.note(self._work.lease, found)
        else:
            request, fields = rebuild(artifacts, verdict, settings)
            answer = recoveries.note(
                self._work.lease,
                found,
                deadline=request.deadline or settings.deadline,
                key=reserved_with(request.key) if request.key is not None else "",
                fields=fields,
            )
        if answer == "lost":
            raise LeaseLost
        if answer == "known":
            self.known.add(artifacts.id)
        log.info("recovery.found", job_id=artifacts.id, outcome=verdict.outcome.value, noted=answer)

    def _is_known(self, job_id: str) -> bool:
        """Whether a job needs no look: it has a record, or was noted already."""
        if job_id in self._noted or job_id in self.known:
            return True
        job = self._worker.store.get_many([job_id])[job_id]
        if job is None:
            return False
        if self._worker.recoveries.was_found(job_id):
            # By this recovery itself, before its worker died.
            self._noted[job_id] = job.attempt
        else:
            self.known.add(job_id)
        return True

    def _is_attempt_of_known(self, name: str) -> bool:
        """Whether a Transcribe job is an attempt of a job that needs no look."""
        job_id, attempt = split_attempt(name)
        if attempt <= self._noted.get(job_id, 0):
            return True
        job = self._worker.store.get_many([job_id])[job_id]
        return job is not None and attempt <= job.attempt and self._is_known(job_id)

    def _jobs(self, name: str) -> dict[str, ListedJob]:
        """The jobs of the account by name, or those that may be attempts of one job."""
        found: dict[str, ListedJob] = {}
        token = ""
        while True:
            page = partial(self._worker.inventory.jobs, name, token)
            listed, token = self._patience.call(page, "ListTranscriptionJobs")
            for each in listed:
                if not name or attempt_of(each.name, name) is not None:
                    found[each.name] = each
            if not token:
                return found

    def _objects(self, beneath: str) -> Iterator[ListedObject]:
        """All objects whose address begins so, in S3's order."""
        last = ""
        while page := self._patience.call(partial(self._worker.inventory.objects, beneath, last)):
            yield from page
            last = page[-1].uri
