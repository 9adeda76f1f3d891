"""How the command line speaks: data on stdout, chatter on stderr, no way to move a cursor."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from producer.client import Client
from producer.contract.job import Job

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Text without control characters, so that no file name can play with a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def line(text: str) -> None:
    """Print one line of a list or a report, and never more, wherever it goes."""
    click.echo(one_line(text))


def one_line(text: str) -> str:
    """Printable text in which nothing that a message holds begins a line of its own."""
    return printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}")


def data(text: str) -> None:
    """Print a text that was asked for, as it is unless it goes to a terminal."""
    click.echo(printable(text) if sys.stdout.isatty() else text)


def record(fields: object) -> None:
    """Print one JSON object on a line of its own."""
    click.echo(json.dumps(fields, ensure_ascii=True))


def chatter(text: str) -> None:
    """Tell a person something; never parsed, and no reason to end if nobody is there to read it."""
    with suppress(OSError):
        click.echo(one_line(text), err=True)


def job_fields(job: Job) -> dict[str, object]:
    """A job as `--json` shows it."""
    return job.model_dump(mode="json")


def progress_bar(*, shown: bool = True) -> Progress:
    """A place for progress bars: stderr, if that is a terminal; else they are not seen."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    )


def watched(
    client: Client,
    job_ids: Iterable[str],
    timeout: float | None,
    *,
    cleaned: bool,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Job]:
    """Jobs as they end, with a progress bar over all of them on a terminal."""
    ids = list(job_ids)
    with progress_bar() as progress:
        bar = progress.add_task("transcribing", total=len(set(ids)))
        for job in client.as_completed(ids, timeout, cleaned=cleaned, meanwhile=meanwhile):
            progress.advance(bar)
            # The caller prints now, and must not print into the bar.
            progress.stop()
            yield job
            progress.start()


def complain(job: Job) -> bool:
    """Say why a job has no result, if so; returns whether it has one."""
    if job.state.has_result:
        if job.cleanup_error:
            chatter(f"{job.id}: completed, but not cleaned up: {job.cleanup_error}")
        return True
    reason = f"failed: {job.error.message}" if job.error else "was cancelled"
    chatter(f"{job.id}: {reason}")
    return False
