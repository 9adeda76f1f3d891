"""Many jobs in one command: a progress bar, and a way to continue after an interruption."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from producer.cli import output
from producer.cli.signals import stop_signals
from producer.client import Client
from producer.contract.request import TranscriptionRequest
from producer.errors import BrokerUnavailable, TranscribeQueueError


class Interrupted(TranscribeQueueError):
    """A signal ended the command before all jobs were recorded."""

    exit_code = 130


def submit(
    client: Client, requests: Sequence[TranscriptionRequest], *, as_json: bool, waits: bool
) -> list[str]:
    """Record the jobs and return their ids; print the ids, also after an interruption.

    Raises:
        JobExists: if a name is taken by a different request; all others were recorded.
        BrokerUnavailable: if Redis does not answer; says how to submit the others.
        Interrupted: if a signal ended it; says the same.
    """
    named = with_names(requests)
    recorded: set[str] = set()
    is_complete = False
    try:
        ids = _record(client, named, recorded, as_json=as_json)
        is_complete = True
        return ids
    except BrokerUnavailable as error:
        if error.accepted is False:
            raise
        raise error.extended(_rest(named, recorded)) from error
    except Interrupted:
        raise Interrupted(f"interrupted. {_rest(named, recorded)}") from None
    finally:
        known = ((str(each.name), each) for each in named if each.name in recorded)
        # After an interruption the command does not wait.
        print_submitted(known, as_json=as_json, waits=waits and is_complete)


def with_names(requests: Iterable[TranscriptionRequest]) -> list[TranscriptionRequest]:
    """Name each job before it is submitted, so that submitting it again is always safe."""
    return [each.model_copy(update={"name": each.new_job_id()}) for each in requests]


def print_submitted(
    jobs: Iterable[tuple[str, TranscriptionRequest]], *, as_json: bool, waits: bool
) -> None:
    """Print the ids of submitted jobs; with JSON and waiting, the end of each job says all."""
    for job_id, request in jobs:
        if not as_json:
            output.line(job_id)
        elif not waits:
            output.record({"id": job_id, "audio": request.audio})
    sys.stdout.flush()


def _record(
    client: Client, named: Sequence[TranscriptionRequest], recorded: set[str], *, as_json: bool
) -> list[str]:
    names = {each.name for each in named}
    with output.progress_bar(shown=not as_json) as progress, _interrupts() as interrupted:
        bar = progress.add_task("submitting", total=len(names))

        def note(ids: Sequence[str]) -> None:
            recorded.update(ids)
            progress.update(bar, completed=len(recorded))
            if interrupted.is_set() and recorded != names:
                raise Interrupted

        return client.submit_many(named, recorded=note)


def _rest(named: Sequence[TranscriptionRequest], recorded: set[str]) -> str:
    """Save the requests that may not be recorded; return a sentence that says how to continue."""
    number, path = tempfile.mkstemp(prefix="transcribe-rest-", suffix=".jsonl")
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.writelines(f"{each.canonical()}\n" for each in named if each.name not in recorded)
    return (
        f"{len(recorded)} of {len(named)} jobs are recorded and continue; "
        f"`transcribe submit - < {path}` submits the others."
    )


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Note the first signal, so that no answer of Redis is lost; the second interrupts at once."""
    noted = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        if noted.is_set():
            raise KeyboardInterrupt
        noted.set()

    before = {number: signal.signal(number, note) for number in stop_signals()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
