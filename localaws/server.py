"""Builds the emulator and serves it on one port."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from localaws.errors import UsageError
from localaws.faults import Fault, FaultInjector
from localaws.http.admin import Admin, CallCounts
from localaws.http.routing import Router
from localaws.http.server import Application, HttpServer, serving
from localaws.http.signatures import Authenticator, Credentials
from localaws.quotas import Quotas, RateLimiter
from localaws.recognition import delays
from localaws.recognition.fixed import FixedRecogniser
from localaws.recognition.processes import ProcessRecogniser
from localaws.s3.objects import ObjectStore
from localaws.transcribe.api import TranscribeApi
from localaws.transcribe.jobs import JobTable
from localaws.transcribe.lifecycle import Lifecycle, OnEnd, Recogniser


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running emulator. `url` is the value for AWS_ENDPOINT_URL."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


#: Makes S3 as Transcribe uses it, and the application for all services but Transcribe.
Backend = Callable[[], tuple[ObjectStore, Application]]


def moto() -> tuple[ObjectStore, Application]:
    """S3 and the other services of moto, which keeps them in this process."""
    # Imported here because loading moto lasts longer than all the rest.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        create_backend_app,
    )

    from localaws.s3.moto_objects import MotoStore  # noqa: PLC0415

    return MotoStore(), DomainDispatcherApplication(create_backend_app)


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
    backend: Backend = moto,
    server: HttpServer = serving,
    verbose: bool = False,
    credentials: Credentials | None = None,
) -> Iterator[Endpoint]:
    """Serve until the block ends; then no thread, process, socket or object is left.

    port:        0 chooses a free one.
    recogniser:  `pocketsphinx`, or one that recognises nothing: `fixed:SECONDS` or
                 `random:MEAN[:SEED]`, as in `delays`.
    workers:     recognition processes at once. Default: one a core.
    quota:       as Quotas.parse reads it. Default: a new AWS account's.
    buckets:     to create at the start.
    backend:     S3 and the other services.
    server:      the HTTP server.
    credentials: the key pair that must sign requests. Default: everybody may call.

    Raises UsageError for a setting that makes no sense and OSError if the port is in use.
    Endpoints that run side by side in one process share moto's objects.
    """
    quotas = Quotas.parse(quota) if isinstance(quota, str) else quota or Quotas()
    workers = _worker_count(workers)
    store, other = backend()
    make_recogniser = _recogniser(recogniser, workers, store)
    table, injector, calls = JobTable(quotas.jobs), FaultInjector(faults), CallCounts()
    authenticator = Authenticator(credentials) if credentials else None
    lifecycle = Lifecycle(table, store, injector, make_recogniser)
    try:
        for bucket in buckets:
            store.create_bucket(bucket)
        api = TranscribeApi(
            table, store, lifecycle, authenticator.presign if authenticator else str
        )
        admin = Admin(table, lifecycle, injector, calls)
        router = Router(api, admin, injector, RateLimiter(quotas), calls, other, authenticator)
        with server(host, port, router, verbose=verbose) as real_port:
            try:
                yield Endpoint(host, real_port)
            finally:
                injector.clear()  # else the server waits for what a fault delays
    finally:
        lifecycle.recogniser.close()
        store.clear()


def _worker_count(workers: int | None) -> int:
    if workers is None:
        return os.cpu_count() or 1
    if workers < 1:
        raise UsageError(f"There must be at least one worker, not {workers}.")
    return workers


def _recogniser(text: str, workers: int, store: ObjectStore) -> Callable[[OnEnd], Recogniser]:
    if text == "pocketsphinx":
        return lambda end: ProcessRecogniser(workers, store, end)
    delay = delays.parse(text)
    return lambda end: FixedRecogniser(delay, end)
