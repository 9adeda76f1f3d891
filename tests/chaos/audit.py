"""After the storm: is every job what it must be, and is nothing left that must not be?"""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from producer.backend import keys
from producer.contract.formats import SIDECAR
from producer.contract.job import Job as Record
from producer.contract.job import JobState
from producer.contract.stages import CONTROL_LIST, QUEUES
from tests.chaos.plan import Job, Kind
from tests.chaos.storm import MALFORMED, QUOTA, Storm
from tests.support.redis_keys import present
from tests.support.stack import BUCKET

#: The state, or the states, in which a job of a kind may end; FAILED ones with their code.
_ENDS: dict[Kind, set[tuple[JobState, str]]] = {
    Kind.NOT_AUDIO: {(JobState.FAILED, "NotAudio")},
    Kind.MISSING: {(JobState.FAILED, "NoSuchFile")},
    Kind.CANCELLED: {(JobState.CANCELLED, ""), (JobState.COMPLETED, "")},
    Kind.OVERDUE: {(JobState.FAILED, "DeadlineExceeded"), (JobState.COMPLETED, "")},
    Kind.HOPELESS: {(JobState.FAILED, "TranscriptionFailed")},
}
_COMPLETED = {(JobState.COMPLETED, "")}
#: What may be there once all has ended.
_KEPT = (
    keys.JOB,
    keys.RESULT_TEXT,
    keys.RESULT_DOCUMENT,
    keys.S3_KEY,
    keys.STATE,
    keys.EVENTS,
    keys.FENCING_TOKEN,
    keys.WORKERS,
    keys.DEAD_LETTERS,
    keys.EPOCH,
    keys.DISPATCHED,
    # what is known of the account
    keys.TOKENS_USED,
    keys.TOKENS_COOLING,
    keys.TOKENS_PAUSED,
    keys.TOKENS_LAST,
    keys.BACKOFF,
    keys.OTHER_JOBS,
    keys.SLOWED,
    keys.REFUSALS,
    keys.QUOTAS,
    keys.CAPACITY,
    keys.LIST_PAGES,
    keys.DURATIONS,
)
_NOT_OURS = "elsewhere/talk.wav"


@dataclass(frozen=True)
class Row:
    """One question of the audit and its answer: what is wrong, if anything."""

    question: str
    wrong: list[str]


class Audit:
    """Compares records, disk, S3, Transcribe and Redis."""

    def __init__(self, storm: Storm) -> None:
        self._storm = storm
        self._stack = storm.stack
        self._jobs = {job.name: job for job in storm.plan.jobs}
        found = self._stack.store.get_many(list(self._jobs))
        self.lost = [name for name, record in found.items() if record is None]
        self.records = {name: record for name, record in found.items() if record is not None}
        self._account = self._stack.account()
        self._started = [each["name"] for each in self._account["jobs"]]

    @property
    def starts(self) -> int:
        """Transcribe jobs that the endpoint has accepted."""
        return len(self._started)

    def rows(self) -> list[Row]:
        """Every question."""
        return [
            Row("jobs that are lost", self.lost),
            Row("jobs that did not end as they must", self._ends()),
            Row("results that are not whole, or not right", self._results()),
            Row("jobs that were started more than once", self.doubled()),
            Row("more jobs at once than the quota", self._over_quota()),
            Row("objects left in S3, or missing", self._objects()),
            Row("uploads in parts left in S3", self._uploads()),
            Row("Transcribe jobs that should be gone", self._transcriptions()),
            Row("entries, slots or keys left in Redis", self._redis()),
            Row("files left on disk", self._files()),
            Row("malformed messages that vanished", self._dead_letters()),
            Row("recoveries that took too long", self._slow()),
        ]

    def doubled(self) -> list[str]:
        """Jobs that were paid for more often than they should have been."""
        counts = Counter(self._started)
        wrong = [f"{name}: {number} times" for name, number in counts.items() if number > 1]
        for name, job in self._jobs.items():
            attempts = [each for each in counts if re.fullmatch(rf"{re.escape(name)}(\.\d)?", each)]
            if len(attempts) > (2 if job.kind is Kind.UNLUCKY else 1):
                wrong.append(f"{name}: {attempts}")
        return wrong

    def _ends(self) -> list[str]:
        return [
            f"{name}: {record.state} {record.error}"
            for name, record in self.records.items()
            if (record.state, record.error.code if record.error else "")
            not in _ENDS.get(self._jobs[name].kind, _COMPLETED)
        ]

    def _results(self) -> list[str]:
        wrong = []
        for name, record in self.records.items():
            if record.state is JobState.COMPLETED:
                wrong += [f"{name}: {what}" for what in self._wrong_with(record, self._jobs[name])]
        return wrong

    def _wrong_with(self, record: Record, job: Job) -> list[str]:
        wrong = []
        if set(record.files) != {SIDECAR, "json", *job.formats}:
            wrong.append(f"files {sorted(record.files)}")
        wrong += [
            f"{path.name} is not what it should be"
            for path in record.files.values()
            if stat.S_IMODE(path.stat().st_mode) != 0o640 or path.stat().st_size == 0
        ]
        if json.loads(record.files["json"].read_text())["jobName"] != record.aws_name:
            wrong.append("another job's document")
        if record.aws_name not in self._stack.client.text(record.id):
            wrong.append("another job's text in Redis")
        return wrong

    def _over_quota(self) -> list[str]:
        max_running = self._account["max_running"]
        return [f"{max_running} at once"] if max_running > QUOTA else []

    def _cleaned(self) -> set[str]:
        """Jobs of which AWS must not know anything any more."""
        return {
            name
            for name, record in self.records.items()
            if record.state is JobState.CANCELLED or record.request.cleanup
        }

    def _objects(self) -> list[str]:
        pages = self._stack.aws("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        there = {each["Key"] for page in pages for each in page.get("Contents", [])}
        wrong = [] if _NOT_OURS in there else [f"{_NOT_OURS} is gone"]
        owners = re.compile(r"(?:transcribe-queue|calls)/([^/]+?)(?:\.wav(?:\.json)?)?(?:/.*)?")
        for key in there - {_NOT_OURS, "calls/.write_access_check_file.temp"}:
            match = owners.fullmatch(key)
            name = match.group(1) if match else ""
            if name not in self._jobs or name in self._cleaned():
                wrong.append(key)
        return wrong

    def _uploads(self) -> list[str]:
        answer = self._stack.aws("s3").list_multipart_uploads(Bucket=BUCKET)
        return [each["Key"] for each in answer.get("Uploads", [])]

    def _transcriptions(self) -> list[str]:
        cleaned = self._cleaned()
        return [
            each["name"]
            for each in self._account["jobs"]
            if not each["deleted"] and re.sub(r"\.\d$", "", each["name"]) in cleaned
        ]

    def _redis(self) -> list[str]:
        broker = self._stack.broker
        wrong = [name for name in present(broker) if not any(kept.matches(name) for kept in _KEPT)]
        return wrong + [queue for queue in (*QUEUES, CONTROL_LIST) if broker.command("LLEN", queue)]

    def _files(self) -> list[str]:
        expected = {
            path
            for record in self.records.values()
            if record.state is JobState.COMPLETED
            for path in record.files.values()
        }
        there = {path for path in Path(self._stack.results).rglob("*") if not path.is_dir()}
        return [str(path) for path in there ^ expected]

    def _dead_letters(self) -> list[str]:
        dead_letters = len(self._stack.client.dead_letters.all())
        return [] if dead_letters >= len(MALFORMED) else [f"{dead_letters} of {len(MALFORMED)}"]

    def _slow(self) -> list[str]:
        most = self._storm.lease + 5
        return [f"{each:.1f} s" for each in self._storm.recoveries if each > most]
