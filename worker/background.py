"""What threads of a worker have in common: no error ends one without a word, or the worker."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from producer.errors import BrokerUnavailable

log = structlog.get_logger()


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Log what goes wrong in a `with`, whatever it is, and go on after it."""
    try:
        yield
    except BrokerUnavailable as error:
        log.warning("redis.unavailable", reason=str(error))
    except Exception:  # of a library, or a mistake of ours: the thread has more to do than this
        log.exception("background.crashed", thread=what)


def run_in_background(name: str, action: Callable[[], None]) -> threading.Thread:
    """Run an action in a thread of its own; returns the thread."""

    def run() -> None:
        with guarded(name):
            action()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
