"""`transcribe status | wait | result | list | cancel | retry`: the life of jobs."""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import cast

import click

from producer.cli import output
from producer.cli.options import json_option, timeout_option
from producer.cli.worker_problems import WorkerProblems
from producer.client import Client
from producer.contract.formats import EXTRA_KINDS, FORMATS, Format
from producer.contract.job import Job, JobState
from producer.errors import WrongState


@click.command()
@click.argument("job")
@json_option
def status(job: str, *, as_json: bool) -> None:
    """Show a job: its request, when it entered each state, its files, its error.

    \b
    Examples:
      transcribe status interview-k3w8
      transcribe status interview-k3w8 --json
    """
    with Client() as client:
        found = client.get(job)
    if as_json:
        output.record(found)
        return
    for text in _described(found):
        output.line(text)


def _described(found: Job) -> Iterator[str]:
    """The lines of a person's view of a job."""
    yield f"{found.id}  {found.state}  (attempt {found.attempt})"
    request = found.request.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    for field, value in sorted(request.items(), key=lambda pair: pair[0] != "audio"):
        yield f"  {field:<10} {value if isinstance(value, str) else json.dumps(value)}"
    for state, moment in sorted(found.times.items(), key=lambda pair: pair[1]):
        yield f"  {moment:%Y-%m-%d %H:%M:%S}  {state}"
    if found.waits_for is not None:
        yield f"  waits for  {found.waits_for}, which has the same audio and options"
    if found.reused_from is not None:
        yield f"  reused     {found.reused_from}, which has the same audio and options"
    for kind, path in found.files.items():
        yield f"  {kind:<10} {path}"
    for kind in found.not_written:
        yield f"  {kind:<10} not written by Amazon Transcribe"
    if found.error is not None:
        yield f"  error      {found.error.message} ({found.error.code}, {found.error.stage})"
    if found.cleaned_at is not None:
        yield f"  cleaned    {found.cleaned_at:%Y-%m-%d %H:%M:%S}"
    if found.cleanup_error is not None:
        yield f"  not cleaned: {found.cleanup_error}"


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@timeout_option
@json_option
def wait(jobs: tuple[str, ...], timeout: float | None, *, as_json: bool) -> None:
    """Wait until jobs have ended; exits with 1 if one of them failed.

    \b
    Examples:
      transcribe wait interview-k3w8 --timeout 600
      transcribe wait $(transcribe submit *.m4a)
    """
    all_good = True
    with Client() as client:
        watch = WorkerProblems(client, known=True).show_new
        for job in output.as_they_end(client, jobs, timeout, cleaned=False, meanwhile=watch):
            output.show(job, f"{job.id}\t{job.state}", as_json=as_json)
            all_good = output.report_failure(job) and all_good
    raise click.exceptions.Exit(0 if all_good else 1)


@click.command()
@click.argument("job")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", *FORMATS, *EXTRA_KINDS]),
    default="text",
    show_default=True,
    help="`text` is the words alone; `json` is Amazon Transcribe's document. `aws.…` and "
    "`unredacted.…` are its extra files, if the request asks for them, on the worker's disk.",
)
def result(job: str, kind: str) -> None:
    """Print a completed job's transcript.

    \b
    Examples:
      transcribe result interview-k3w8
      transcribe result interview-k3w8 --format srt > interview.srt
      transcribe result interview-k3w8 --format unredacted.json
    """
    with Client() as client:
        if kind == "text":
            text = client.text(job)
        elif kind in EXTRA_KINDS:
            text = client.file(job, kind).decode(errors="replace")
        else:
            text = client.result(job).render(cast("Format", kind))
    output.data(text.removesuffix("\n"))


@click.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(list(JobState), case_sensitive=False),
    help="Only jobs in this state; repeat it for several.",
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@json_option
def list_jobs(states: tuple[JobState, ...], limit: int, *, as_json: bool) -> None:
    """List jobs, the latest first.

    \b
    Examples:
      transcribe list
      transcribe list --state FAILED --limit 200 --json
    """
    with Client() as client:
        for job in client.list([JobState(state) for state in states] or JobState, limit):
            why = f"  {job.error.message}" if job.error else ""
            known_as = f"{job.id}  {PurePosixPath(job.request.audio).name}"
            text = f"{job.updated_at:%Y-%m-%d %H:%M:%S}  {job.state:<12}  {known_as}{why}"
            output.show(job, text, as_json=as_json)


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
def cancel(jobs: tuple[str, ...]) -> None:
    """Cancel jobs; workers delete what they have at AWS as soon as AWS allows.

    \b
    Examples:
      transcribe cancel interview-k3w8
    """
    with Client() as client:
        for job_id in jobs:
            output.line(f"{job_id}\t{client.cancel(job_id).state}")


@click.command()
@click.argument("jobs", metavar="JOB...", nargs=-1)
@click.option("--failed", is_flag=True, help="Retry all FAILED jobs.")
def retry(jobs: tuple[str, ...], *, failed: bool) -> None:
    """Retry jobs that failed or were cancelled: fetch a result that is paid for, else start anew.

    A job becomes COLLECTING if Amazon Transcribe may have transcribed it, else QUEUED.

    \b
    Examples:
      transcribe retry interview-k3w8
      transcribe retry --failed
    """
    if bool(jobs) == failed:
        raise click.UsageError("name the jobs to retry, or type --failed")
    refused = False
    with Client() as client:
        for job_id in client.failed() if failed else jobs:
            try:
                output.line(f"{job_id}\t{client.retry(job_id).state}")
            except WrongState as error:
                if not failed:
                    raise
                # Another command retried it first; this one retries the others.
                output.chatter(str(error))
                refused = True
    raise click.exceptions.Exit(1 if refused else 0)


JOB_COMMANDS = (status, wait, result, list_jobs, cancel, retry)
