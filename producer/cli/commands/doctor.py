"""`transcribe doctor`: check everything, and say what to fix."""

from collections.abc import Iterator

import click

from producer.backend.capacity import Account
from producer.backend.workers import WorkerReport
from producer.cli import output
from producer.cli.options import json_option
from producer.client import Client
from producer.contract.job import JobState
from producer.contract.stages import QUEUES
from producer.errors import BrokerUnavailable, BrokerUnusable

Finding = tuple[str, bool, str]


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check Redis, the workers, the queues, and AWS as the workers see it.

    Exits with 1 if something needs fixing, with 4 if Redis cannot be reached or is still loading.

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
            _print(("redis", False, str(error)), as_json=as_json)
            raise click.exceptions.Exit(1) from None
        for finding in _findings(client):
            healthy = healthy and finding[1]
            _print(finding, as_json=as_json)
        _account(client.fleet.account(), as_json=as_json)
    raise click.exceptions.Exit(0 if healthy else 1)


def _print(finding: Finding, *, as_json: bool) -> None:
    subject, ok, message = finding
    if as_json:
        output.record({"check": subject, "ok": ok, "message": message})
    else:
        output.line(f"{'ok  ' if ok else 'FIX '} {subject}: {message}")


def _findings(client: Client) -> Iterator[Finding]:
    version = client.fleet.redis_version()
    known = f"version {version}" if version else "a version that Redis does not show this user,"
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
        yield "workers", False, "no worker is alive: start one with `celery -A worker worker`"
    for worker in workers:
        yield from _of_worker(worker)
    served = {queue for worker in workers for queue in worker.queues}
    for queue, length in client.fleet.queue_lengths().items():
        # Without any worker, one line says so.
        ok = not workers or queue in served
        name = queue.rpartition(".")[2]
        start = f"celery -A worker worker -n {name}@%h -Q {queue}"
        advice = "" if ok else f"; no worker serves it: start one with `{start}`"
        yield f"queue {queue}", ok, f"{length} messages{advice}"
    for each in client.fleet.undispatched() if workers else []:
        message = (
            f"{each.number} due, and no living worker has started any for {each.seconds:.0f} s: "
            "restart the workers; if that does not help, report it with their logs"
        )
        yield f"stage {each.stage}", False, message
    counts = client.counts()
    by_state = ", ".join(f"{counts[state]} {state}" for state in JobState if counts[state])
    yield "jobs", True, by_state or "none"


def _account(account: Account | None, *, as_json: bool) -> None:
    """Nothing here needs fixing: the fleet slows down for other software by itself."""
    if account is None:
        return
    slots = (
        f"{account.slots} of {account.quota} concurrent jobs available to us, "
        f"{account.others} used by other software"
    )
    rates = ", ".join(
        f"{rate.operation} {rate.tokens} of {rate.quota:g} calls a second" for rate in account.rates
    )
    refused = account.refused + sum(rate.refused for rate in account.rates)
    message = f"{slots}; {rates}; AWS refused {refused} calls"
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
