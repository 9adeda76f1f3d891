"""`transcribe submit`: requests onto the queue."""

import sys
from collections.abc import Callable

import click

from producer.cli import bulk, output
from producer.cli.inputs.env_file import how_to_replace
from producer.cli.inputs.json_lines import json_lines
from producer.cli.inputs.selection import Selection
from producer.cli.inputs.skipped import Skipped
from producer.cli.options import RecordingOptions, json_option, recording_options, timeout_option
from producer.cli.worker_problems import WorkerProblems
from producer.client import Client


@click.command()
@click.argument("files", metavar="[FILE|DIRECTORY|s3://BUCKET/KEY|-]...", nargs=-1)
@click.option("--name", help="The job's id: the same name and request again is the same job.")
@click.option(
    "--output",
    "template",
    help="A folder beneath the workers' results root, or a template for the files there, such as "
    "'{folder}/{stem}'; it may have {id} {stem} {name} {folder} {tenant} {date}.  "
    "[default: {id}/{stem}]",
)
@click.option("--tenant", help="The job's tenant: tenants that share a queue take turns.")
@click.option("--remote", is_flag=True, help="Only workers can see the files: do not check them.")
@recording_options
@click.option("--wait", "waits", is_flag=True, help="Wait, and print each transcript.")
@timeout_option
@json_option
def submit(
    files: tuple[str, ...],
    *,
    name: str | None,
    template: str | None,
    tenant: str | None,
    remote: bool,
    recordings: RecordingOptions,
    waits: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Submit recordings; print the job ids, one a line.

    Skips what Amazon Transcribe does not read, and lists it at the end with the reason; then the
    exit code is 1 if you named it, and 0 if it was only found beneath a directory.

    With `-`, reads requests from stdin, one JSON object a line (see `transcribe schema`); if one is
    wrong, submits none.

    \b
    Examples:
      transcribe submit interview.m4a --format txt,srt --wait
      transcribe submit recordings/ --recursive --language en-GB --cleanup
      transcribe submit s3://my-bucket/talk.mp3 --name talk-2026 \\
          --set show_speaker_labels=true --set max_speaker_labels=2
      transcribe submit recordings/ --recursive --output '{folder}/{stem}'
      transcribe submit --env-file transcribe.env --cleanup --wait
      jq -c '{audio: .path}' files.json | transcribe submit -
    """
    fields = recordings.fields(name=name, output=template, tenant=tenant)
    named = recordings.named(files, fields, here=not remote)
    if recordings.replace and recordings.env_file is not None:
        raise click.UsageError(how_to_replace(recordings.env_file))
    if files == ("-",):
        if fields or recordings.env_file:
            raise click.UsageError("with - each line is a whole request; leave out options")
        selection = Selection(json_lines(sys.stdin.buffer), Skipped())
    else:
        with output.progress_bar(shown=not as_json) as progress:
            selection = named.selection(
                watch=lambda found: (
                    progress.track(found, description="checking") if len(found) > 1 else found
                )
            )
    requests = bulk.with_names(selection.requests, selection.stamps)
    with selection.skipped.listed_at_the_end(len(requests)), Client() as client:
        if selection.stamps and (known := bulk.known_before(client, requests)):
            output.chatter(known)
        if len(requests) > 1:
            ids = bulk.submit(client, requests, as_json=as_json, waits=waits)
        else:
            ids = [client.submit(requests[0]).id]
            bulk.print_submitted(zip(ids, requests, strict=True), as_json=as_json, waits=waits)
        if not waits:
            return
        watch = WorkerProblems(client, known=True).show_new
        if not print_as_they_end(client, ids, timeout, as_json=as_json, meanwhile=watch):
            raise click.exceptions.Exit(1)


def print_as_they_end(
    client: Client,
    ids: list[str],
    timeout: float | None,
    *,
    as_json: bool,
    meanwhile: Callable[[], None] | None = None,
) -> bool:
    """Print each transcript when its job has ended; return whether all have one."""
    all_good = True
    for job in output.as_they_end(client, ids, timeout, cleaned=True, meanwhile=meanwhile):
        text = client.text(job.id) if job.state.has_result else None
        if as_json:
            output.record({**job.model_dump(mode="json"), "text": text})
        elif text is not None:
            # With several jobs, the line above each text says whose it is.
            text = text.rstrip("\n")
            output.data(f"\n{output.recording(job)}:\n{text}" if len(ids) > 1 else text)
        all_good = output.report_failure(job) and all_good
    return all_good
