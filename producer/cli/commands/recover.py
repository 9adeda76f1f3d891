"""`transcribe recover`: record anew the jobs that Redis has lost."""

import time
from collections import Counter
from collections.abc import Sequence

import click

from producer.backend.recoveries import FoundJob, Outcome, Recovery
from producer.cli import output
from producer.cli.options import json_option, timeout_option
from producer.client import Client
from producer.contract.request import is_name
from producer.contract.stages import Stage
from producer.errors import InvalidRequest, RecoveryFailed

#: Seconds within which every worker sends a heartbeat to a Redis that has just come back.
_HEARTBEAT_WITHIN = 6.0


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only list the jobs; record none.")
@timeout_option
@json_option
def recover(names: tuple[str, ...], *, dry_run: bool, timeout: float | None, as_json: bool) -> None:
    """Record anew the jobs that Redis has lost, from the bucket and from Amazon Transcribe.

    It starts no Transcribe job and changes no existing record, so it is safe at any time. Workers
    do it, and continue if you stop this command. Prints each job with its outcome:

    \b
      TRANSCRIBING, COLLECTING, FAILED   recorded in this state; the first two continue
      never-started                      only uploaded: submit it again under its name
      result-gone                        ended, but its result has been deleted since
      known, not-found                   only with NAME: it has a record; there is no trace of it

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
        started = client.recoveries.ask(names, dry_run=dry_run)
        recovery = client.recoveries.wait(started.id, timeout, _print_trouble)
        found = client.recoveries.found()
    for each in found:
        output.show(each, f"{each.id}\t{each.outcome}", as_json=as_json)
    output.chatter(summary(recovery, found))


def _check_workers(client: Client) -> None:
    """Raise RecoveryFailed if no worker serves the queue of recoveries."""
    limit = time.monotonic() + _HEARTBEAT_WITHIN
    while not any(Stage.RECOVER.queue in worker.queues for worker in client.fleet.alive()):
        if time.monotonic() >= limit:
            raise RecoveryFailed(
                "No worker is alive to recover jobs: start one with `celery -A worker worker`."
            )
        time.sleep(0.2)


def _print_trouble(trouble: str) -> None:
    output.chatter(f"delayed: {trouble}")


def summary(recovery: Recovery, found: Sequence[FoundJob]) -> str:
    """How many jobs had which outcome, in sentences."""
    counts = Counter(each.outcome for each in found)
    recorded = sum(count for outcome, count in counts.items() if outcome.state is not None)
    would_be = "would be " if recovery.dry_run else ""
    sentences = [f"{_jobs(recorded)} {would_be}recorded anew, {recovery.known} known already."]
    if recovery.foreign:
        sentences.append(f"{_jobs(recovery.foreign)} of other software at Transcribe, ignored.")
    if counts[Outcome.NEVER_STARTED]:
        sentences.append(
            f"{_jobs(counts[Outcome.NEVER_STARTED])} uploaded but never started: "
            "submit again under the same name."
        )
    if counts[Outcome.RESULT_GONE]:
        sentences.append(
            f"{_jobs(counts[Outcome.RESULT_GONE])} without a result: somebody deleted it."
        )
    return " ".join(sentences)


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number} jobs"
