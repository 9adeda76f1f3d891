"""`transcribe recover`: bring back what Redis has forgotten."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import click

from producer.backend.recoveries import FoundJob, Outcome, Recovery
from producer.cli import output
from producer.client import Client
from producer.contract.request import is_name
from producer.contract.stages import CONTROL_QUEUE
from producer.errors import InvalidRequest, RecoveryFailed

#: Seconds within which a Redis that has just come back hears of every living worker.
_HEARD_WITHIN = 6.0


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say what would be recorded.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def recover(names: tuple[str, ...], *, dry_run: bool, timeout: float | None, as_json: bool) -> None:
    """Bring back jobs that Redis has forgotten, from the bucket and from Amazon Transcribe.

    Nothing is started. Jobs that have a record are left alone, so this is safe at any time. Workers
    do it, and go on if this command is stopped. Prints each job with what became of it:

    \b
      TRANSCRIBING, COLLECTING, FAILED   recorded in this state; the first two go on
      never-started                      uploaded only: submit it again under its name
      result-gone                        was ended, but its result has been deleted since
      known, not-found                   of names that were given: has a record; no trace

    \b
    Examples:
      transcribe recover --dry-run
      transcribe recover --timeout 600
      transcribe recover interview-k3w8 talk-2026 --json
    """
    for name in names:
        if not is_name(name):
            raise InvalidRequest(f"{name!r} cannot be the name of a job.")
    with Client() as client:
        _check_workers(client)
        asked = client.recoveries.ask(names, dry_run=dry_run)
        recovery = client.recoveries.wait(asked.id, timeout, _print_trouble)
        found = client.recoveries.found()
    for each in found:
        if as_json:
            output.record(each.model_dump(mode="json"))
        else:
            output.data(f"{each.id}\t{each.outcome}")
    output.chatter(summary(recovery, found))


def _check_workers(client: Client) -> None:
    """Raise RecoveryFailed if no worker would take the question up."""
    limit = time.monotonic() + _HEARD_WITHIN
    while not any(CONTROL_QUEUE in worker.queues for worker in client.fleet.alive()):
        if time.monotonic() >= limit:
            raise RecoveryFailed(
                "No worker is alive that could look: start one with `celery -A worker worker`."
            )
        time.sleep(0.2)


def _print_trouble(trouble: str) -> None:
    output.chatter(f"held up: {trouble}")


def summary(recovery: Recovery, found: Sequence[FoundJob]) -> str:
    """What a person wants to know in the end, in sentences."""
    counts = Counter(each.outcome for each in found)
    recorded = sum(count for outcome, count in counts.items() if outcome.state is not None)
    would_be = "would be " if recovery.dry_run else ""
    parts = [f"{_jobs(recorded)} {would_be}brought back, {recovery.known} known already."]
    if recovery.foreign:
        parts.append(f"Of others {_jobs(recovery.foreign)} at Transcribe, left alone.")
    if counts[Outcome.NEVER_STARTED]:
        parts.append(
            f"{_jobs(counts[Outcome.NEVER_STARTED])} uploaded but never started: "
            "submit again under the name."
        )
    if counts[Outcome.RESULT_GONE]:
        parts.append(f"{_jobs(counts[Outcome.RESULT_GONE])} without the result, which was deleted.")
    return " ".join(parts)


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number} jobs"
