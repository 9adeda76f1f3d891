"""What a command that was cut short leaves at AWS, and what to type to see or remove it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from producer.cli import output
from producer.cli.interruption import signals_deferred
from producer.cli.sandbox import Sandbox
from producer.client import Client
from producer.contract.job import Job, JobState
from producer.errors import BrokerUnavailable

#: Seconds between two readings of the records, at least and at most; between them so many times as
#: long as a reading took, so that 10,000 jobs cost little more than ten.
_PAUSES = (1.0, 10.0)
_FACTOR = 10
#: A job that was given up for these reasons may still run at AWS, which cannot be stopped.
_ABANDONED = frozenset({"DeadlineExceeded", "WorkerLost"})


class Leftovers:
    """Knows how jobs stand at AWS, also when Redis is gone."""

    def __init__(self, client: Client, job_ids: Iterable[str], region: str | None) -> None:
        """Watch the jobs of `job_ids`; `region` is theirs, unless the AWS CLI finds the same."""
        self._client = client
        self._region = region
        self._jobs: dict[str, Job | None] = dict.fromkeys(job_ids)
        self._read_at = self._read_again_at = time.monotonic()
        #: whether Redis has answered when it was asked last
        self._current = True

    def keep_up(self) -> None:
        """Read the records again, if it is time to; to be called often."""
        if time.monotonic() >= self._read_again_at:
            self._read()

    @contextmanager
    def listed_on_failure(self, sandbox: Sandbox) -> Iterator[None]:
        """List what is left, whatever ends the block early, once the worker changes nothing."""
        try:
            yield
        except BaseException:
            with signals_deferred():
                output.chatter("stopping the worker ...")
                sandbox.stop("worker")
                self._read()
                for line in self._lines():
                    output.chatter(line)
            raise

    def _read(self) -> None:
        started_at = time.monotonic()
        unsettled = [job_id for job_id, job in self._jobs.items() if not _is_settled(job)]
        try:
            read = self._client.get_many(unsettled)
        except BrokerUnavailable:
            self._current = False
        else:
            self._current = True
            self._read_at = time.monotonic()
            self._jobs |= {job_id: job for job_id, job in read.items() if job is not None}
        now = time.monotonic()
        least, most = _PAUSES
        self._read_again_at = now + min(max(least, _FACTOR * (now - started_at)), most)

    def _lines(self) -> list[str]:
        found = [line for job_id, job in self._jobs.items() for line in self._lines_of(job_id, job)]
        if not found:
            return ["Nothing of this command's jobs is left at AWS."]
        lines = ["This command leaves at AWS:", *(f"  {line}" for line in found)]
        if not self._current:
            seconds = time.monotonic() - self._read_at
            lines.append(
                f"Redis does not answer any more: so it was {seconds:.0f} s ago, and what has "
                "happened since is not known."
            )
        return [*lines, self._advice()]

    def _advice(self) -> str:
        region = f" --region {self._region}" if self._region else ""
        return (
            "`aws transcribe list-transcription-jobs --status IN_PROGRESS"
            f"{region}` shows what runs; to remove it all, `aws s3 rm ADDRESS` for each address "
            "and, once a job has ended, `aws transcribe delete-transcription-job"
            f"{region} --transcription-job-name NAME`."
        )

    def _lines_of(self, job_id: str, job: Job | None) -> list[str]:
        if job is None:
            return [] if self._current else [f"may run:  {job_id}"]
        # Of a failed job, cleaning up leaves the result, and the audio too unless that was asked.
        is_clean = job.cleaned_at is not None
        is_left = not is_clean or job.state is JobState.FAILED
        lines = []
        runs = "" if is_clean else self._runs(job)
        if runs:
            lines.append(f"{runs}:  {job.aws_name}")
        # What was on S3 before is the user's, and none of what is left.
        if is_left and not job.request.is_on_s3 and not (is_clean and job.request.cleanup):
            if job.media_uri is not None:
                lines.append(f"audio:  {job.media_uri}")
            elif job.state is not JobState.QUEUED or not self._current:
                key = job.request.key or job.id
                lines.append(f"audio, if its upload got so far:  a key with {key} in it")
        if is_left and job.result_uri is not None and (runs or JobState.COLLECTING in job.times):
            when = ", once it has ended" if runs else ""
            more = job.request.subtitles is not None or job.request.content_redaction is not None
            beside = "  and what Transcribe writes beside it" if more else ""
            lines.append(f"result{when}:  {job.result_uri}{beside}")
        return lines

    def _runs(self, job: Job) -> str:
        """Whether it runs at AWS: `runs`, `may run` or ''."""
        if job.state is JobState.TRANSCRIBING:
            return "runs"
        abandoned = job.state is JobState.CANCELLED or (
            job.error is not None and job.error.code in _ABANDONED
        )
        may = job.state is JobState.STARTING or (abandoned and job.result_uri is not None)
        return "may run" if may or (job.state is JobState.READY and not self._current) else ""


def _is_settled(job: Job | None) -> bool:
    """Whether nothing of it changes any more."""
    if job is None or not job.state.is_terminal:
        return False
    return job.cleaned_at is not None or (job.state.has_result and not job.request.cleanup)
