"""`transcribe local`: the whole pipeline on this machine, for as long as the command runs."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import click
from dotenv import dotenv_values

from producer.cli import bulk, inputs, output, script_file
from producer.cli.commands.submit import print_as_they_end
from producer.cli.findings import Findings
from producer.cli.interruption import interruptible
from producer.cli.leftovers import Leftovers
from producer.cli.sandbox import Sandbox, check_installed
from producer.client import Client
from producer.contract.job import TERMINAL_STATES
from producer.contract.request import TranscriptionRequest
from producer.errors import InvalidSettings, WaitTimeout

BUCKET = "transcribe-local"
#: What could make a child find the real AWS, or another account than the emulator's.
_AWS_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)

_NEEDED = ("worker", "boto3", "structlog")


@click.command()
@click.argument("files", metavar="[FILE|DIRECTORY]...", nargs=-1)
@click.option("--aws", is_flag=True, help="Use the real AWS instead of the local AWS emulator.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The original script's settings file (with --aws).",
)
@click.option(
    "--use-existing",
    is_flag=True,
    help="Of --env-file: transcribe what lies at S3_OBJECT, whatever LOCAL_AUDIO is.",
)
@click.option(
    "--replace",
    is_flag=True,
    help="Of --env-file: overwrite what lies at S3_OBJECT and S3_OBJECT.json, whosever it is.",
)
@click.option("--bucket", help="The S3 bucket (with --aws).  [default: TRANSCRIBE_BUCKET]")
@click.option("--language", help="A code (en-US), `auto`, or codes to choose from.")
@click.option("--format", "formats", help="Files to write: txt,srt,vtt,json.  [default: txt]")
@click.option("--cleanup", is_flag=True, help="Delete audio, result and job at AWS when done.")
@click.option(
    "--recursive", is_flag=True, help="Take all beneath a directory that is a recording by content."
)
@click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Any other field.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("transcripts"),
    show_default=True,
    help="The folder for the results.",
)
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def local(
    files: tuple[str, ...],
    *,
    aws: bool,
    env_file: Path | None,
    use_existing: bool,
    replace: bool,
    bucket: str | None,
    language: str | None,
    formats: str | None,
    cleanup: bool,
    recursive: bool,
    settings: tuple[str, ...],
    results: Path,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Transcribe recordings on this machine: starts Redis, an AWS emulator and a worker, prints
    each transcript, and stops all it started.

    What cannot be transcribed is left out, and listed at the end. Without files it stays up as a
    sandbox for other terminals.

    \b
    Examples:
      transcribe local interview.m4a
      transcribe local recordings/ --recursive --format txt,srt
      transcribe local
      transcribe local --aws --env-file transcribe.env --cleanup
      transcribe local --aws --bucket my-recordings interview.m4a
    """
    if (env_file or bucket) and not aws:
        raise click.UsageError("--env-file and --bucket go with --aws")
    script_file.check_options(env_file, files, use_existing=use_existing, replace=replace)
    selection = inputs.Named(
        files=files,
        env_file=env_file,
        recursive=recursive,
        use_existing=use_existing,
        options=inputs.options(settings, language=language, formats=formats, cleanup=cleanup),
    ).selection(may_be_none=env_file is None)
    requests = selection.requests
    check_installed(_NEEDED if aws else (*_NEEDED, "localaws", "moto"), "local")
    environment = {**_dotenv(), **_worker_settings(requests, results, env_file, bucket)}
    if replace:
        environment["TRANSCRIBE_REPLACE_KEY"] = requests[0].key or ""
    with interruptible() as until_the_end, Sandbox() as sandbox, until_the_end:
        environment["TRANSCRIBE_REDIS_URL"] = _redis(sandbox)
        if not aws:
            environment |= _localaws(sandbox)
        with Client(environment["TRANSCRIBE_REDIS_URL"]) as client:
            output.chatter("starting a worker ...")
            sandbox.start_worker(environment, lambda: _has_checked_aws(client))
            _refuse_unusable_aws(client)
            if not requests:
                _stay(sandbox, environment)
            named = bulk.with_names(requests)
            leftovers = Leftovers(client, [str(each.name) for each in named], _region(env_file))
            listed = leftovers.listed_on_failure(sandbox) if aws else nullcontext()
            with selection.left_out.listed_at_the_end(len(requests)), listed:
                good = _transcribe(client, sandbox, named, leftovers, timeout, as_json=as_json)
                output.chatter(f"results are in {results}/")
                if not good:
                    raise click.exceptions.Exit(1)


def _transcribe(
    client: Client,
    sandbox: Sandbox,
    requests: list[TranscriptionRequest],
    leftovers: Leftovers,
    timeout: float | None,
    *,
    as_json: bool,
) -> bool:
    """Submit, and print each transcript; returns whether all jobs have one."""

    def watch() -> None:
        _refuse_fallen(sandbox)
        leftovers.keep_up()
        findings.show_new()

    findings = Findings(client)
    ids = client.submit_many(requests)
    try:
        return print_as_they_end(client, ids, timeout, as_json=as_json, meanwhile=watch)
    except WaitTimeout:
        # They do not go on, as those of other workers do.
        raise WaitTimeout(f"Not all jobs had ended after {timeout:g} s (--timeout).") from None


def _worker_settings(
    requests: list[TranscriptionRequest], results: Path, env_file: Path | None, bucket: str | None
) -> dict[str, str]:
    """What this command decides for its worker."""
    local_files = [Path(request.audio) for request in requests if not request.is_on_s3]
    # Who names a symlink here means the file behind it.
    roots = {str(path.resolve().parent) for path in local_files} or {str(Path.cwd())}
    settings = {
        "TRANSCRIBE_RESULTS_DIR": str(results.absolute()),
        # As JSON, for a folder's name may contain a colon.
        "TRANSCRIBE_AUDIO_ROOTS": json.dumps(sorted(roots)),
        # One person waits, for few files.
        "TRANSCRIBE_POLL_INTERVAL": "0.5",
        "TRANSCRIBE_DISPATCH_INTERVAL": "0.1",
        # Less than the sandbox gives it, so that it leaves its jobs in order.
        "TRANSCRIBE_STOP_GRACE": "10",
    }
    if env_file is not None:
        # The script's own poll interval counts then.
        settings["TRANSCRIBE_ENV_FILE"] = str(env_file.absolute())
    if bucket is not None:
        settings["TRANSCRIBE_BUCKET"] = bucket
    # Whoever names a recording here may use it.
    buckets = {request.audio.split("/")[2] for request in requests if request.is_on_s3}
    if buckets:
        settings["TRANSCRIBE_AUDIO_BUCKETS"] = ",".join(sorted(buckets))
    return settings


def _dotenv() -> dict[str, str]:
    """What `.env` here says to workers, which run elsewhere; the environment goes before it."""
    return {
        name: value
        for name, value in dotenv_values(".env").items()
        if name.startswith("TRANSCRIBE_") and value and name not in os.environ
    }


def _redis(sandbox: Sandbox) -> str:
    """The Redis that is configured, if nobody else uses it, else one of our own."""
    url = os.environ.get("TRANSCRIBE_REDIS_URL") or _dotenv().get("TRANSCRIBE_REDIS_URL")
    if not url:
        output.chatter("starting Redis ...")
        return sandbox.start_redis()
    with Client(url) as client:
        counts = client.counts()
        active = sum(count for state, count in counts.items() if state not in TERMINAL_STATES)
        if active or client.fleet.alive():
            raise InvalidSettings(
                f"The Redis at {client.fleet.address} (TRANSCRIBE_REDIS_URL) has workers or jobs "
                "of its own, which a local worker would take part in: unset the variable, or "
                "name a Redis that is free."
            )
    return url


def _localaws(sandbox: Sandbox) -> dict[str, str]:
    output.chatter("starting the local AWS emulator ...")
    for name in list(os.environ):
        if name in _AWS_VARIABLES or name.startswith(("AWS_ENDPOINT_URL", "AWS_USE_")):
            del os.environ[name]
    # No proxy stands between processes of one machine.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    return {
        "AWS_ENDPOINT_URL": sandbox.start_localaws(BUCKET),
        **sandbox.aws_keys,
        "AWS_DEFAULT_REGION": "us-east-1",
        # Settings files of the user must not lead anywhere else.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TRANSCRIBE_BUCKET": BUCKET,
        "TRANSCRIBE_ENV_FILE": "",
    }


def _has_checked_aws(client: Client) -> bool:
    """Whether a worker is alive and has looked at AWS."""
    return any(worker.checks for worker in client.fleet.alive())


def _refuse_unusable_aws(client: Client) -> None:
    for worker in client.fleet.alive():
        for check in worker.checks:
            if check.ok:
                continue
            # The emulator need not know where a bucket is.
            if check.subject == "region" and os.environ.get("AWS_ENDPOINT_URL"):
                output.chatter(check.message)
            else:
                raise InvalidSettings(check.message)


def _stay(sandbox: Sandbox, environment: Mapping[str, str]) -> NoReturn:
    """Stay up until a signal comes, or a child ends.

    Raises:
        KeyboardInterrupt: as a signal does.
        SandboxFailed: if a child has ended.
    """
    for text in ("", "The sandbox is up; Ctrl-C stops it. In another terminal:", ""):
        output.chatter(text)
    for name, value in environment.items():
        if value:
            output.data(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    output.chatter("")
    output.chatter(
        "They hold the password and the keys of this sandbox, so keep them out of logs; they are "
        "worth nothing once it has stopped."
    )
    output.chatter(
        f"Then: transcribe submit FILE --wait. The worker's log: {sandbox.log('worker')}"
    )
    while True:
        _refuse_fallen(sandbox)
        time.sleep(0.5)


def _refuse_fallen(sandbox: Sandbox) -> None:
    if (fallen := sandbox.fallen()) is not None:
        raise sandbox.failed(fallen)


def _region(env_file: Path | None) -> str | None:
    """The region that the AWS CLI does not find by itself, as the worker does."""
    return dotenv_values(env_file).get("AWS_REGION") if env_file is not None else None
