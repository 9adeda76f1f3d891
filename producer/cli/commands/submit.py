"""`transcribe submit`: requests onto the queue."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from producer.cli import bulk, inputs, output, script_file
from producer.cli.left_out import LeftOut
from producer.client import Client


@click.command()
@click.argument("files", metavar="[FILE|DIRECTORY|s3://BUCKET/KEY|-]...", nargs=-1)
@click.option("--name", help="The job's id: the same name and request again is the same job.")
@click.option("--language", help="A code (en-US), `auto`, or codes to choose from (en-US,de-DE).")
@click.option("--format", "formats", help="Files to write: txt,srt,vtt,json.  [default: txt]")
@click.option("--output", "folder", help="A folder beneath the workers' results root.")
@click.option("--tenant", help="Whose jobs they are: tenants that share a queue take turns.")
@click.option("--cleanup", is_flag=True, help="Delete audio, result and job at AWS when done.")
@click.option(
    "--recursive", is_flag=True, help="Take all beneath a directory that is a recording by content."
)
@click.option("--remote", is_flag=True, help="Only workers can see the files: do not look here.")
@click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Any other field.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take audio, S3 key and name from the original script's settings file.",
)
@click.option(
    "--use-existing",
    is_flag=True,
    help="Of --env-file: transcribe what lies at S3_OBJECT, whatever LOCAL_AUDIO is.",
)
@click.option(
    "--replace",
    is_flag=True,
    help="Of --env-file: only `transcribe local --aws` may do this; says what to type here.",
)
@click.option("--wait", "waits", is_flag=True, help="Wait, and print each transcript.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def submit(
    files: tuple[str, ...],
    *,
    name: str | None,
    language: str | None,
    formats: str | None,
    folder: str | None,
    tenant: str | None,
    cleanup: bool,
    recursive: bool,
    remote: bool,
    settings: tuple[str, ...],
    env_file: Path | None,
    use_existing: bool,
    replace: bool,
    waits: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Submit recordings; prints the job ids, one a line.

    What cannot be transcribed is left out, and listed at the end with the reason; the exit code is
    then 1 if it was named, not only found beneath a directory.

    With `-`, reads requests from stdin, one JSON object a line (see `transcribe schema`); if one is
    wrong, none is submitted.

    \b
    Examples:
      transcribe submit interview.m4a --format txt,srt --wait
      transcribe submit recordings/ --recursive --language en-GB --cleanup
      transcribe submit s3://my-bucket/talk.mp3 --name talk-2026 \\
          --set show_speaker_labels=true --set max_speaker_labels=2
      transcribe submit --env-file transcribe.env --cleanup --wait
      jq -c '{audio: .path}' files.json | transcribe submit -
    """
    script_file.check_options(env_file, files, use_existing=use_existing, replace=replace)
    if replace and env_file is not None:
        raise click.UsageError(script_file.how_to_replace(env_file))
    options = inputs.options(
        settings,
        name=name,
        output=folder,
        language=language,
        formats=formats,
        tenant=tenant,
        cleanup=cleanup,
    )
    if files == ("-",):
        if options or env_file:
            raise click.UsageError("with - each line says all of its request; leave out options")
        selection = inputs.Selection(inputs.json_lines(sys.stdin.buffer), LeftOut())
    else:
        named = inputs.Named(
            files, env_file, options, recursive, here=not remote, use_existing=use_existing
        )
        with output.progress_bar(shown=not as_json) as progress:
            selection = named.selection(
                watch=lambda found: (
                    progress.track(found, description="looking") if len(found) > 1 else found
                )
            )
    requests, left_out = selection.requests, selection.left_out
    with left_out.listed_at_the_end(len(requests)), Client() as client:
        if len(requests) > 1:
            ids = bulk.submit(client, requests, as_json=as_json, waits=waits)
        else:
            ids = [client.submit(requests[0]).id]
            bulk.report(zip(ids, requests, strict=True), as_json=as_json, waits=waits)
        if waits:
            good = print_as_they_end(client, ids, timeout, as_json=as_json)
            if not good:
                raise click.exceptions.Exit(1)


def print_as_they_end(
    client: Client,
    ids: list[str],
    timeout: float | None,
    *,
    as_json: bool,
    meanwhile: Callable[[], None] | None = None,
) -> bool:
    """Print each transcript when its job has ended; returns whether all have one."""
    good = True
    for job in output.watched(client, ids, timeout, cleaned=True, meanwhile=meanwhile):
        done = job.state.has_result
        text = client.text(job.id) if done else None
        if as_json:
            output.record({**output.job_fields(job), "text": text})
        elif text is not None:
            # With several, the name above each tells them apart.
            text = text.rstrip("\n")
            output.data(f"\n{job.id}:\n{text}" if len(ids) > 1 else text)
        good = output.complain(job) and good
    return good
