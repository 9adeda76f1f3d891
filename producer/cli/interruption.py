"""The signals that end a command: once, and not in the middle of what must be done whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

#: Ctrl-C, a supervisor's, and that of a terminal that is closed.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_signals() -> tuple[signal.Signals, ...]:
    """Those that shall end the command: who starts it with `nohup` wants it to stay."""
    stays = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return tuple(each for each in STOP_SIGNALS if each != signal.SIGHUP or not stays)


def end_like_ctrl_c() -> None:
    """Have every signal that ends the command do so as Ctrl-C does, with the same exit code."""
    for number in stop_signals():
        signal.signal(number, signal.default_int_handler)


@contextmanager
def interruptible() -> Iterator[AbstractContextManager[None]]:
    """Ctrl-C, SIGTERM and a closed terminal all end the command by way of its `with`s.

    Yields a block within which they do. After it they have no effect any more, nor after this one:
    children are being stopped, and then the command ends.
    """
    ending = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not ending:
            raise KeyboardInterrupt

    @contextmanager
    def until_the_end() -> Iterator[None]:
        nonlocal ending
        try:
            yield
        finally:
            ending = True

    for number in stop_signals():
        signal.signal(number, interrupt)
    yield until_the_end()


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Have the signals that stop us wait until what must be done whole is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
