"""What the command line prints: data on stdout, chatter on stderr, no control characters."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath

import click
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from producer.client import Client
from producer.contract.job import Job

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Text without control characters, by which a file name could control a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def line(text: str) -> None:
    """Print exactly one line of a list or a report."""
    click.echo(one_line(text))


def one_line(text: str) -> str:
    """Printable text on one line: nothing in a message can forge a line of its own."""
    return printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}")


def data(text: str) -> None:
    """Print a text: to a terminal without control characters, else unchanged."""
    click.echo(printable(text) if sys.stdout.isatty() else text)


def record(value: BaseModel | Mapping[str, object]) -> None:
    """Print one JSON object on a line of its own."""
    fields = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    click.echo(json.dumps(fields, ensure_ascii=True))


def show(value: BaseModel, text: str, *, as_json: bool) -> None:
    """Print a value, as JSON or as a line for a person."""
    if as_json:
        record(value)
    else:
        line(text)


def chatter(text: str) -> None:
    """Write a line for a person to stderr; ignore that nobody can read it."""
    with suppress(OSError):
        click.echo(one_line(text), err=True)


def progress_bar(*, shown: bool = True) -> Progress:
    """Progress bars on stderr, if that is a terminal; else invisible."""
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


def as_they_end(
    client: Client,
    job_ids: Iterable[str],
    timeout: float | None,
    *,
    cleaned: bool,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Job]:
    """Yield jobs as they end, with one progress bar for all on a terminal."""
    ids = list(job_ids)
    with progress_bar() as progress:
        bar = progress.add_task("transcribing", total=len(set(ids)))
        for job in client.as_completed(ids, timeout, cleaned=cleaned, meanwhile=meanwhile):
            progress.advance(bar)
            # The caller prints now; stopping keeps its lines out of the bar.
            progress.stop()
            yield job
            progress.start()


def recording(job: Job) -> str:
    """A job as a person knows it: the name of its recording, and its id."""
    return f"{PurePosixPath(job.request.audio).name} ({job.id})"


def report_failure(job: Job) -> bool:
    """Write why a job has no result, or was not cleaned up; return whether it has a result."""
    if job.state.has_result:
        if job.cleanup_error:
            chatter(f"{recording(job)}: completed, but not cleaned up: {job.cleanup_error}")
        return True
    reason = f"failed: {job.error.message}" if job.error else "was cancelled"
    chatter(f"{recording(job)}: {reason}")
    return False
