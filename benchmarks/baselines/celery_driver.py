"""Submits the chains of `celery_retry` and waits for their results.

python -m benchmarks.baselines.celery_driver AUDIO RESULTS NAMES
"""

from __future__ import annotations

from collections.abc import Callable

from celery import chain
from celery.result import ResultSet

from benchmarks.baselines.celery_retry import app, clean, fetch, poll, start, upload
from benchmarks.driver import drive, read_work


def main() -> None:
    """Submit and wait, as the harness says."""
    work = read_work()

    def submit() -> Callable[[], int]:
        last = [clean.s()] if work.cleanup else []
        results = [
            chain(
                upload.s(str(work.recording(name)), name),
                start.s(),
                poll.s(),
                fetch.s(str(work.results)),
                *last,
            ).apply_async()
            for name in work.names
        ]

        def wait() -> int:
            ResultSet(results).join_native(propagate=False)
            return sum(not result.successful() for result in results)

        return wait

    with app.connection_for_write() as connection:
        connection.ensure_connection()
    drive(submit)


if __name__ == "__main__":
    main()
