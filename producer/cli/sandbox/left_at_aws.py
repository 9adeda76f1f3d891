"""What an interrupted command leaves at AWS, and what to type to see or remove it."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from producer.cli import output
from producer.cli.sandbox.processes import Sandbox
from producer.cli.signals import signals_blocked
from producer.client import Client
from producer.contract.job import MAY_STILL_RUN, Job, JobState
from producer.errors import BrokerUnavailable

#: Minimum and maximum of seconds between two reads of the records. Between these, the pause is a
#: multiple of the duration of a read, so that 10,000 jobs cost little more than ten.
_MIN_PAUSE, _MAX_PAUSE = 1.0, 10.0
_FACTOR = 10


class LeftAtAws:
    """Knows what jobs have at AWS, also when Redis is gone."""

    def __init__(self, client: Client, job_ids: Iterable[str], region: str | None) -> None:
        """Watch the jobs of `job_ids`; `region` is theirs, unless the AWS CLI finds the same."""
        self._client = client
        self._region = region
        self._jobs: dict[str, Job | None] = dict.fromkeys(job_ids)
        self._last_read = self._next_read = time.monotonic()
        #: whether Redis answered the last read
        self._current = True

    def keep_up(self) -> None:
        """Read the records again, if the next read is due; call this often."""
        if time.monotonic() >= self._next_read:
            self._read()

    @contextmanager
    def listed_on_failure(self, sandbox: Sandbox) -> Iterator[None]:
        """Whatever ends the block early, stop the worker, then list what is left at AWS."""
        try:
            yield
        except BaseException:
            with signals_blocked():
                output.chatter("stopping the worker ...")
                sandbox.stop("worker")
                self._read()
                for line in self._lines():
                    output.chatter(line)
            raise

    def _read(self) -> None:
        started = time.monotonic()
        unsettled = [job_id for job_id, job in self._jobs.items() if not _is_settled(job)]
        try:
            read = self._client.get_many(unsettled)
        except BrokerUnavailable:
            self._current = False
        else:
            self._current = True
            self._last_read = time.monotonic()
            self._jobs |= {job_id: job for job_id, job in read.items() if job is not None}
        now = time.monotonic()
        self._next_read = now + min(max(_MIN_PAUSE, _FACTOR * (now - started)), _MAX_PAUSE)

    def _lines(self) -> list[str]:
        found = [line for job_id, job in self._jobs.items() for line in self._lines_of(job_id, job)]
        if not found:
            return ["Nothing of this command's jobs is left at AWS."]
        lines = ["This command leaves at AWS:", *(f"  {line}" for line in found)]
        if not self._current:
            seconds = time.monotonic() - self._last_read
            lines.append(
                f"Redis does not answer any more: this list is {seconds:.0f} s old, and may have "
                "changed since."
            )
        return [*lines, self._advice()]

    def _advice(self) -> str:
        region = f" --region {self._region}" if self._region else ""
        return (
            "`aws transcribe list-transcription-jobs --status IN_PROGRESS"
            f"{region}` shows what runs; to remove everything, type `aws s3 rm ADDRESS` for each "
            "address and, once a job has ended, `aws transcribe delete-transcription-job"
            f"{region} --transcription-job-name NAME`."
        )

    def _lines_of(self, job_id: str, job: Job | None) -> list[str]:
        if job is None:
            return [] if self._current else [f"may run:  {job_id}"]
        # Cleanup of a failed job keeps its result, and without `cleanup` its audio too.
        is_clean = job.cleaned_at is not None
        is_left = not is_clean or job.state is JobState.FAILED
        lines = []
        runs = "" if is_clean else self._runs(job)
        if runs:
            lines.append(f"{runs}:  {job.aws_name}")
        # Audio that was on S3 before is the user's own.
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
        may_still_run = job.state is JobState.CANCELLED or (
            job.error is not None and job.error.code in MAY_STILL_RUN
        )
        may = job.state is JobState.STARTING or (may_still_run and job.result_uri is not None)
        return "may run" if may or (job.state is JobState.READY and not self._current) else ""


def _is_settled(job: Job | None) -> bool:
    """Whether nothing of it at AWS changes any more."""
    if job is None or not job.state.is_terminal:
        return False
    return job.cleaned_at is not None or (job.state.has_result and not job.request.cleanup)
