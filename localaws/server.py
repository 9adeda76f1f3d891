"""Puts the parts together and serves them on one port."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from localaws.admin import Admin, CallCounts
from localaws.api import TranscribeApi
from localaws.errors import UsageError
from localaws.faults import Fault, FaultBook
from localaws.fixed import FixedRecogniser
from localaws.httpserver import HttpServer
from localaws.jobs import JobTable
from localaws.lifecycle import Ending, Lifecycle, Recogniser
from localaws.objects import ObjectStore
from localaws.processes import ProcessRecogniser
from localaws.quotas import Quotas, RateLimiter
from localaws.routing import Router


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running localaws. `url` is what AWS_ENDPOINT_URL takes."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


@contextmanager
def serve(
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    recogniser: str = "pocketsphinx",
    workers: int | None = None,
    quota: Quotas | str | None = None,
    buckets: Iterable[str] = (),
    faults: Iterable[Fault] = (),
    verbose: bool = False,
) -> Iterator[Endpoint]:
    """Serve until the block ends; then no thread, process, socket or object is left.

    port:       0 takes a free one.
    recogniser: `pocketsphinx`, or `fixed:SECONDS` to recognise nothing and end jobs in time.
    workers:    recognition processes at once. Default: one a core.
    quota:      as Quotas.parse reads it. Default: a new AWS account's.
    buckets:    created at the start.

    Raises UsageError for a setting that makes no sense and OSError where the port is taken.
    moto keeps its S3 in the process: endpoints that run side by side in one share their objects.
    """
    quotas = Quotas.parse(quota) if isinstance(quota, str) else quota or Quotas()
    workers = _worker_count(workers)
    store = ObjectStore()
    make_recogniser = _recogniser(recogniser, workers, store)
    table, book, calls = JobTable(quotas.jobs), FaultBook(faults), CallCounts()
    stopping = threading.Event()
    lifecycle = Lifecycle(table, store, book, make_recogniser)
    try:
        for bucket in buckets:
            store.create_bucket(bucket)
        api = TranscribeApi(table, store, lifecycle)
        admin = Admin(table, lifecycle, book, calls)
        router = Router(api, admin, book, RateLimiter(quotas), calls, stopping)
        server = HttpServer(host, port, router, verbose=verbose)
        thread = threading.Thread(target=server.serve, name="localaws", daemon=True)
        thread.start()
        try:
            yield Endpoint(host, server.port)
        finally:
            stopping.set()
            server.stop(thread)
    finally:
        lifecycle.recogniser.close()
        store.clear()


def _worker_count(workers: int | None) -> int:
    if workers is None:
        return os.cpu_count() or 1
    if workers < 1:
        raise UsageError(f"There must be at least one worker, not {workers}.")
    return workers


def _recogniser(text: str, workers: int, store: ObjectStore) -> Callable[[Ending], Recogniser]:
    kind, _, argument = text.partition(":")
    if text == "pocketsphinx":
        return lambda end: ProcessRecogniser(workers, store, end)
    if kind == "fixed":
        try:
            seconds = float(argument)
        except ValueError:
            seconds = -1.0
        if 0 <= seconds < threading.TIMEOUT_MAX:
            return lambda end: FixedRecogniser(seconds, end)
    raise UsageError(
        f"The recogniser {text!r} is unknown: use pocketsphinx, or fixed:SECONDS, as in fixed:2.5."
    )
