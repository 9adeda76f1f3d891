"""Builds the emulator and serves it on one port."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localaws.errors import UsageError
from localaws.faults import Fault, FaultInjector
from localaws.http.admin import Admin, CallCounts
from localaws.http.light_server import LightServer
from localaws.http.light_services import LightServices
from localaws.http.routing import Application, Router
from localaws.http.signatures import Authenticator, Credentials
from localaws.quotas import Quotas, RateLimiter
from localaws.recognition import delays
from localaws.recognition.fixed import FixedRecogniser
from localaws.recognition.processes import ProcessRecogniser
from localaws.s3.memory_s3 import MemoryS3
from localaws.s3.memory_store import MemoryStore
from localaws.s3.objects import ObjectStore
from localaws.transcribe.api import TranscribeApi
from localaws.transcribe.jobs import JobTable
from localaws.transcribe.lifecycle import Lifecycle, OnEnd, Recogniser

if TYPE_CHECKING:
    from localaws.http.server_threads import HttpServer


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
    light: bool = False,
    verbose: bool = False,
    credentials: Credentials | None = None,
) -> Iterator[Endpoint]:
    """Serve until the block ends; then no thread, process, socket or object is left.

    port:       0 takes a free one.
    recogniser: `pocketsphinx`; or to recognise nothing and end jobs in time `fixed:SECONDS`, or
                `random:MEAN[:SEED]` as `delays` says.
    workers:    recognition processes at once. Default: one a core.
    quota:      as Quotas.parse reads it. Default: a new AWS account's.
    buckets:    created at the start.
    light:      S3 in our own memory and one thread for all connections, in place of moto.
    credentials: who may call, with signed requests. Default: anybody who can reach the port.

    Raises UsageError for a setting that makes no sense and OSError where the port is taken.
    moto keeps its S3 in the process: endpoints that run side by side in one share their objects.
    """
    quotas = Quotas.parse(quota) if isinstance(quota, str) else quota or Quotas()
    workers = _worker_count(workers)
    store, other = _light_s3() if light else _moto_s3()
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
        server = _server(host, port, router, light=light, verbose=verbose)
        thread = threading.Thread(target=server.serve, name="localaws", daemon=True)
        thread.start()
        try:
            yield Endpoint(host, server.port)
        finally:
            server.stop(thread)
    finally:
        lifecycle.recogniser.close()
        store.clear()


def _light_s3() -> tuple[ObjectStore, Application]:
    store = MemoryStore()
    return store, LightServices(MemoryS3(store))


def _moto_s3() -> tuple[ObjectStore, Application]:
    # Only here, for loading moto takes longer than all the rest.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        create_backend_app,
    )

    from localaws.s3.moto_objects import MotoStore  # noqa: PLC0415

    return MotoStore(), DomainDispatcherApplication(create_backend_app)


def _server(
    host: str, port: int, router: Router, *, light: bool, verbose: bool
) -> "HttpServer | LightServer":
    if light:
        return LightServer(host, port, router, verbose=verbose)
    from localaws.http.server_threads import HttpServer  # noqa: PLC0415 - brings moto

    return HttpServer(host, port, router, verbose=verbose)


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
