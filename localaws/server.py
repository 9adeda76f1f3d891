"""Builds the emulator and serves it on one port."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from localaws.errors import UsageError
from localaws.http.routing import Router
from localaws.http.server import Application, serving
from localaws.http.signatures import Authenticator, Credentials
from localaws.quotas import Quotas, RateLimiter
from localaws.recognition.fixed import Delay, FixedRecogniser, fixed
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


def moto() -> tuple[ObjectStore, Application]:
    """S3 as Transcribe uses it, and the application for S3 and other services: those of moto."""
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
    quota: str = "",
    buckets: Iterable[str] = (),
    verbose: bool = False,
    credentials: Credentials | None = None,
) -> Iterator[Endpoint]:
    """Serve until the block ends; then no thread, process, socket or object is left.

    port:        0 chooses a free one.
    recogniser:  `pocketsphinx`, or `fixed:SECONDS`, which recognises nothing.
    workers:     recognition processes at once. Default: one a core.
    quota:       as Quotas.parse reads it. Default: a new AWS account's.
    buckets:     to create at the start.
    credentials: the key pair that must sign requests. Default: everybody may call.

    Raises UsageError for a setting that makes no sense and OSError if the port is in use.
    Endpoints that run side by side in one process share moto's objects.
    """
    quotas = Quotas.parse(quota)
    make_recogniser = recogniser_maker(recogniser, workers)
    store, other = moto()
    table = JobTable(quotas.jobs)
    with running(Lifecycle(table, store, make_recogniser), buckets) as lifecycle:
        app = application(lifecycle, other, quotas, credentials)
        with serving(host, port, app, verbose=verbose) as real_port:
            yield Endpoint(host, real_port)


@contextmanager
def running(lifecycle: Lifecycle, buckets: Iterable[str]) -> Iterator[Lifecycle]:
    """Create the buckets; at the end of the block end all jobs and forget all objects."""
    try:
        for bucket in buckets:
            lifecycle.store.create_bucket(bucket)
        yield lifecycle
    finally:
        lifecycle.recogniser.close()
        lifecycle.store.clear()


def application(
    lifecycle: Lifecycle, other: Application, quotas: Quotas, credentials: Credentials | None
) -> Application:
    """Amazon Transcribe, its quotas and the `other` services, as one WSGI application."""
    authenticator = Authenticator(credentials) if credentials else None
    api = TranscribeApi(lifecycle, authenticator.presign if authenticator else str)
    return Router(api, RateLimiter(quotas), other, authenticator)


def recogniser_maker(
    text: str, workers: int | None, delay: Callable[[str], Delay] = fixed
) -> Callable[[ObjectStore, OnEnd], Recogniser]:
    """What makes the recogniser of this name; `delay` reads all names but `pocketsphinx`.

    Raises UsageError.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"There must be at least one worker, not {workers}.")
    if text == "pocketsphinx":
        count = workers or os.cpu_count() or 1
        return lambda store, end: ProcessRecogniser(count, store, end)
    seconds = delay(text)
    return lambda _store, end: FixedRecogniser(seconds, end)
