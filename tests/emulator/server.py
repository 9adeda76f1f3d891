"""Serves the emulator with faults and counts; everything else is as `localaws.server` has it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from localaws.http.server import Application, serving
from localaws.http.signatures import Credentials
from localaws.quotas import Quotas
from localaws.recognition.fixed import Delay, fixed
from localaws.s3.objects import ObjectStore
from localaws.server import Endpoint, application, moto, recogniser_maker, running
from tests.emulator.admin import Admin
from tests.emulator.calls import CallCounts
from tests.emulator.faults import Fault, FaultInjector
from tests.emulator.lifecycle import FaultyLifecycle, WatchedTable
from tests.emulator.watch import Watch

#: Makes S3 as Transcribe uses it, and the application for all services but Transcribe.
Backend = Callable[[], tuple[ObjectStore, Application]]


class HttpServer(Protocol):
    """Serves a WSGI application until the block ends; the value is the port."""

    def __call__(
        self, host: str, port: int, app: Application, *, verbose: bool
    ) -> AbstractContextManager[int]: ...


@contextmanager
def serve(
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    recogniser: str = "pocketsphinx",
    workers: int | None = None,
    quota: str = "",
    buckets: Iterable[str] = (),
    faults: Iterable[Fault] = (),
    verbose: bool = False,
    credentials: Credentials | None = None,
    backend: Backend = moto,
    server: HttpServer = serving,
    delay: Callable[[str], Delay] = fixed,
) -> Iterator[Endpoint]:
    """As `localaws.server.serve`, with faults from the start, and other parts if asked for."""
    quotas = Quotas.parse(quota)
    make_recogniser = recogniser_maker(recogniser, workers, delay)
    store, other = backend()
    injector, calls = FaultInjector(faults), CallCounts()
    lifecycle = FaultyLifecycle(WatchedTable(quotas.jobs), store, make_recogniser, injector)
    with running(lifecycle, buckets):
        app = application(lifecycle, other, quotas, credentials)
        watch = Watch(app, Admin(lifecycle, calls, credentials), injector, calls)
        with server(host, port, watch, verbose=verbose) as real_port:
            try:
                yield Endpoint(host, real_port)
            finally:
                injector.replace([])  # else the server waits for what a fault delays
