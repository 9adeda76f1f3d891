"""`transcribe dead`: messages that the workers refused, to read, replay or drop."""

from collections.abc import Sequence

import click

from producer.backend.dead_letters import DeadLetter
from producer.cli import output
from producer.cli.options import json_option
from producer.client import Client
from producer.errors import TranscribeQueueError

_all_option = click.option("--all", "everything", is_flag=True, help="All dead letters.")


@click.group()
def dead() -> None:
    """Read dead letters (messages that the workers refused), replay or drop them.

    \b
    Examples:
      transcribe dead list
      transcribe dead show 5f2c9a01
      transcribe dead replay --all
      transcribe dead drop 5f2c9a01
    """


@dead.command("list")
@json_option
def list_dead_letters(*, as_json: bool) -> None:
    """List dead letters, the latest first.

    \b
    Examples:
      transcribe dead list
      transcribe dead list --json
    """
    with Client() as client:
        for each in client.dead_letters.all():
            text = f"{each.id}  {each.at:%Y-%m-%d %H:%M:%S}  {each.reason}"
            output.show(each, text, as_json=as_json)


@dead.command()
@click.argument("dead_letter", metavar="ID")
def show(dead_letter: str) -> None:
    """Print the message of a dead letter as it came.

    \b
    Examples:
      transcribe dead show 5f2c9a01 | jq .
    """
    with Client() as client:
        found = client.dead_letters.get(dead_letter)
    output.chatter(f"{found.at:%Y-%m-%d %H:%M:%S}  {found.reason}")
    if not found.whole:
        output.chatter("(the message was longer; this is its beginning)")
    output.data(found.message)


@dead.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_all_option
def replay(ids: tuple[str, ...], *, everything: bool) -> None:
    """Submit dead letters again, and drop those that are accepted. Prints the job ids.

    \b
    Examples:
      transcribe dead replay 5f2c9a01
      transcribe dead replay --all
    """
    refused = False
    with Client() as client:
        for each in _chosen(client, ids, everything=everything):
            try:
                job = client.submit(each.request())
            except TranscribeQueueError as error:
                if not everything:
                    raise
                output.chatter(f"{each.id}: {error}")
                refused = True
                continue
            client.dead_letters.drop(each.id)
            output.line(job.id)
    raise click.exceptions.Exit(1 if refused else 0)


@dead.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_all_option
def drop(ids: tuple[str, ...], *, everything: bool) -> None:
    """Delete dead letters.

    \b
    Examples:
      transcribe dead drop 5f2c9a01
      transcribe dead drop --all
    """
    with Client() as client:
        for each in _chosen(client, ids, everything=everything):
            client.dead_letters.drop(each.id)
            output.line(each.id)


def _chosen(client: Client, ids: Sequence[str], *, everything: bool) -> list[DeadLetter]:
    if bool(ids) == everything:
        raise click.UsageError("name the dead letters, or type --all")
    if everything:
        return client.dead_letters.all()
    return [client.dead_letters.get(each) for each in ids]
