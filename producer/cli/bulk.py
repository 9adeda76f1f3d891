"""Many jobs in one command: a progress bar, and a way to continue after an interruption."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, MappingProxyType

from producer.cli import output
from producer.cli.signals import stop_signals
from producer.client import Client
from producer.contract.request import TranscriptionRequest
from producer.errors import BrokerUnavailable, TranscribeQueueError

#: Records that are read at a time.
_AT_ONCE = 500


class Interrupted(TranscribeQueueError):
    """A signal ended the command before all jobs were recorded."""

    exit_code = 130


def submit(
    client: Client, requests: Sequence[TranscriptionRequest], *, as_json: bool, waits: bool
) -> list[str]:
    """Record jobs that `with_names` has named; print the ids, also after an interruption.

    Returns the ids.

    Raises:
        JobExists: if a name is taken by a different request; all others were recorded.
        BrokerUnavailable: if Redis does not answer; says how to submit the others.
        Interrupted: if a signal ended it; says the same.
    """
    named = list(requests)
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


def with_names(
    requests: Iterable[TranscriptionRequest], stamps: Mapping[str, str] = MappingProxyType({})
) -> list[TranscriptionRequest]:
    """Name each job before it is submitted, so that submitting it again is always safe.

    Args:
        requests: the jobs'.
        stamps: size and time of audio that was found in folders. With the same options the same
            recording has the same name each time, unless it is to be transcribed afresh.
    """

    def seed(each: TranscriptionRequest) -> str | None:
        stamp = stamps.get(each.audio)
        return None if stamp is None or each.fresh else f"{stamp} {each.canonical()}"

    return [each.model_copy(update={"name": each.new_job_id(seed(each))}) for each in requests]


def known_before(client: Client, requests: Sequence[TranscriptionRequest]) -> str:
    """What is known of jobs that are about to be submitted, as a line; '' if all are new."""
    counts = dict.fromkeys(("done", "on their way", "failed", "cancelled", "new"), 0)
    for start in range(0, len(requests), _AT_ONCE):
        names = [str(each.name) for each in requests[start : start + _AT_ONCE]]
        for job in client.get_many(names).values():
            if job is None:
                counts["new"] += 1
            elif job.state.has_result:
                counts["done"] += 1
            else:
                counts[job.state.lower() if job.state.is_terminal else "on their way"] += 1
    if counts["new"] == len(requests):
        return ""
    parts = ", ".join(
        f"{number} {what}" for what, number in counts.items() if number or what == "new"
    )
    advice = "; `transcribe retry --failed` tries those again" if counts["failed"] else ""
    return f"{len(requests)} recordings: {parts}{advice}."


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
