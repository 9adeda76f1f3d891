"""`transcribe local`: the whole pipeline on this machine, for as long as the command runs."""

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import click

from producer.cli import bulk, output
from producer.cli.commands.submit import print_as_they_end
from producer.cli.inputs import result_names
from producer.cli.options import RecordingOptions, json_option, recording_options, timeout_option
from producer.cli.sandbox.environment import local_aws, own_redis, worker_settings
from producer.cli.sandbox.left_at_aws import LeftAtAws
from producer.cli.sandbox.processes import Sandbox, check_installed
from producer.cli.signals import interruptible
from producer.cli.worker_problems import WorkerProblems
from producer.client import Client
from producer.contract.request import TranscriptionRequest
from producer.errors import InvalidSettings, WaitTimeout
from producer.legacy_env_file import read_settings

_MODULES = ("worker", "boto3", "structlog")
_EMULATOR_MODULES = ("localaws", "moto")


@click.command()
@click.argument("files", metavar="[FILE|DIRECTORY]...", nargs=-1)
@click.option("--aws", is_flag=True, help="Use the real AWS instead of the local AWS emulator.")
@click.option("--bucket", help="The S3 bucket (with --aws).  [default: TRANSCRIBE_BUCKET]")
@recording_options
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("transcripts"),
    show_default=True,
    help="The folder for the results: they have the names of the recordings.",
)
@click.option("--beside", is_flag=True, help="Write each result next to its recording instead.")
@timeout_option
@json_option
def local(
    files: tuple[str, ...],
    *,
    aws: bool,
    bucket: str | None,
    recordings: RecordingOptions,
    results: Path,
    beside: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Transcribe recordings on this machine: start Redis, an AWS emulator and a worker, print each
    transcript, and stop everything.

    Skips what Amazon Transcribe does not read, and lists it at the end. Without files it keeps
    running, as a sandbox for other terminals.

    \b
    Examples:
      transcribe local interview.m4a
      transcribe local recordings/ --recursive --format txt,srt
      transcribe local recordings/ --recursive --beside
      transcribe local
      transcribe local --aws --env-file transcribe.env --cleanup
      transcribe local --aws --bucket my-recordings interview.m4a
    """
    env_file = recordings.env_file
    if (env_file or bucket) and not aws:
        raise click.UsageError("--env-file and --bucket go with --aws")
    chosen = recordings.named(files, recordings.fields(), here=True, mirrors=True)
    selection = chosen.selection(may_be_none=env_file is None)
    requests: Sequence[TranscriptionRequest] = selection.requests
    if beside:
        results, requests = _beside(requests)
    check_installed(_MODULES if aws else (*_MODULES, *_EMULATOR_MODULES), "local")
    environment = worker_settings(
        requests, results, env_file=env_file, bucket=bucket, replace=recordings.replace
    )
    with interruptible() as until_the_end, Sandbox() as sandbox, until_the_end:
        environment["TRANSCRIBE_REDIS_URL"] = own_redis(sandbox)
        if not aws:
            environment |= local_aws(sandbox)
        with Client(environment["TRANSCRIBE_REDIS_URL"]) as client:
            output.chatter("starting a worker ...")
            sandbox.start_worker(environment, lambda: _has_checked_aws(client))
            _check_aws(client)
            if not requests:
                _keep_running(sandbox, environment)
            # The same each time: a further run finds what an earlier one started at AWS, and
            # replaces its files.
            named = bulk.with_names(requests, selection.stamps)
            # The worker finds the region in the settings file, and the AWS CLI does not.
            region = read_settings(env_file).region if env_file is not None else None
            left = LeftAtAws(client, [str(each.name) for each in named], region)
            listed = left.listed_on_failure(sandbox) if aws else nullcontext()
            with selection.skipped.listed_at_the_end(len(requests)), listed:
                all_good = _transcribe(client, sandbox, named, left, timeout, as_json=as_json)
                where = "next to the recordings" if beside else f"in {results}/"
                output.chatter(f"results are {where}")
                if not all_good:
                    raise click.exceptions.Exit(1)


def _beside(
    requests: Sequence[TranscriptionRequest],
) -> tuple[Path, Sequence[TranscriptionRequest]]:
    if not requests:
        raise click.UsageError("--beside needs recordings")
    try:
        return result_names.beside(requests)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _transcribe(
    client: Client,
    sandbox: Sandbox,
    requests: Sequence[TranscriptionRequest],
    left: LeftAtAws,
    timeout: float | None,
    *,
    as_json: bool,
) -> bool:
    """Submit, and print each transcript; return whether all jobs have one."""

    def watch() -> None:
        sandbox.check()
        left.keep_up()
        problems.show_new()

    problems = WorkerProblems(client)
    known = client.get_many(str(each.name) for each in requests)
    ids = client.submit_many(requests)
    for job in known.values():
        if job is not None and job.state.is_terminal and not job.state.has_result:
            client.retry(job.id)
    try:
        return print_as_they_end(client, ids, timeout, as_json=as_json, meanwhile=watch)
    except WaitTimeout:
        # Without their worker the jobs do not continue, as the error of the client says.
        raise WaitTimeout(f"Not all jobs had ended after {timeout:g} s (--timeout).") from None


def _has_checked_aws(client: Client) -> bool:
    return any(worker.checks for worker in client.fleet.alive())


def _check_aws(client: Client) -> None:
    """Raise InvalidSettings with what the worker says is wrong with AWS."""
    for worker in client.fleet.alive():
        for check in worker.checks:
            if check.ok:
                continue
            # An emulator need not know where a bucket is.
            if check.subject == "region" and os.environ.get("AWS_ENDPOINT_URL"):
                output.chatter(check.message)
            else:
                raise InvalidSettings(check.message)


def _keep_running(sandbox: Sandbox, environment: Mapping[str, str]) -> NoReturn:
    """Keep running until a signal interrupts it, or SandboxFailed says that a child has ended."""
    for text in ("", "The sandbox runs; Ctrl-C stops it. In another terminal:", ""):
        output.chatter(text)
    for name, value in environment.items():
        if value:
            output.data(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    for text in (
        "",
        "Keep these lines out of logs: until the sandbox stops, its password and keys are secret.",
        f"Then, for files beneath {Path.cwd()}: {shlex.quote(sys.argv[0])} submit FILE --wait",
        f"The worker's log: {sandbox.log('worker')}",
    ):
        output.chatter(text)
    while True:
        sandbox.check()
        time.sleep(0.5)
