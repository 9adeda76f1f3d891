"""`transcribe doctor`: is everything there, and if not, what to do."""

from __future__ import annotations

from collections.abc import Iterator

import click

from producer.backend.capacity import Account
from producer.backend.workers import WorkerReport
from producer.cli import output
from producer.client import Client
from producer.contract.job import JobState
from producer.contract.stages import QUEUES
from producer.errors import BrokerUnavailable, BrokerUnusable

Finding = tuple[str, bool, str]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(*, as_json: bool) -> None:
    """Check Redis, the workers, the queues, and what the workers say of AWS.

    Exits with 1 if something needs mending, with 4 if Redis cannot be reached or is still loading.

    \b
    Examples:
      transcribe doctor
      transcribe doctor --json
    """
    healthy = True
    with Client() as client:
        try:
            client.fleet.check_access()
        except BrokerUnusable as error:
            _report(("redis", False, str(error)), as_json=as_json)
            raise click.exceptions.Exit(1) from None
        for finding in _findings(client):
            healthy = healthy and finding[1]
            _report(finding, as_json=as_json)
        _account(client.fleet.account(), as_json=as_json)
    raise click.exceptions.Exit(0 if healthy else 1)


def _report(finding: Finding, *, as_json: bool) -> None:
    subject, ok, message = finding
    if as_json:
        output.record({"check": subject, "ok": ok, "message": message})
    else:
        output.line(f"{'ok  ' if ok else 'FIX '} {subject}: {message}")


def _findings(client: Client) -> Iterator[Finding]:
    version = client.fleet.redis_version()
    known = f"version {version}" if version else "a version that this user may not ask for,"
    try:
        client.fleet.check_writes()
    except BrokerUnavailable as error:
        if not error.refused:
            raise
        yield "redis", False, str(error)
    else:
        yield "redis", True, f"{known} at {client.fleet.address}"
    workers = client.fleet.alive()
    if not workers:
        yield "workers", False, "none is alive: start one with `celery -A worker worker`"
    for worker in workers:
        yield from _of_worker(worker)
    served = {queue for worker in workers for queue in worker.queues}
    for queue, length in client.fleet.queue_lengths().items():
        # With no worker at all, one line says so.
        ok = not workers or queue in served
        advice = "" if ok else f"; no worker takes from it: start one with `-Q {queue}`"
        yield f"queue {queue}", ok, f"{length} messages{advice}"
    for each in client.fleet.undispatched() if workers else []:
        message = (
            f"{each.number} are due, and nobody has taken one up for {each.seconds:.0f} s, though "
            "workers are alive: restart them; if that does not help, report it with their logs"
        )
        yield f"stage {each.stage}", False, message
    counts = client.counts()
    states = ", ".join(f"{counts[state]} {state}" for state in JobState if counts[state])
    yield "jobs", True, states or "none"


def _account(account: Account | None, *, as_json: bool) -> None:
    """Nothing of it needs mending: the fleet yields to others, and recovers by itself."""
    if account is None:
        return
    slots = f"{account.slots} of {account.quota} slots, {account.others} have others"
    rates = ", ".join(
        f"{rate.operation} {rate.tokens} of {rate.quota:g} a second" for rate in account.rates
    )
    refused = account.refused + sum(rate.refused for rate in account.rates)
    message = f"{slots}; {rates}; {refused} calls were refused"
    if as_json:
        values = account.model_dump()
        output.record({"check": "account", "ok": True, "message": message, "account": values})
    else:
        output.line(f"ok   account: {message}")


def _of_worker(worker: WorkerReport) -> Iterator[Finding]:
    queues = "all queues" if set(worker.queues) == set(QUEUES) else ", ".join(worker.queues)
    load = f"{worker.busy} of {worker.concurrency} busy, {queues}, version {worker.version}"
    yield f"worker {worker.name}", True, load
    for check in worker.checks:
        yield f"worker {worker.name}: {check.subject}", check.ok, check.message
