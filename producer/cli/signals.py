"""The signals that end a command: once, and not while children start or stop."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

#: Of Ctrl-C, of a supervisor, and of a terminal that closes.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that end this command: under `nohup`, a terminal that closes does not."""
    is_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return tuple(each for each in STOP_SIGNALS if each != signal.SIGHUP or not is_nohup)


def end_like_ctrl_c() -> None:
    """Let every signal that ends the command do so as Ctrl-C does, with the same exit code."""
    for number in stop_signals():
        signal.signal(number, signal.default_int_handler)


@contextmanager
def interruptible() -> Iterator[AbstractContextManager[None]]:
    """Let the signals interrupt an inner block, and from its end on ignore them.

    Yields the inner block. After it the command stops its children and ends, which no signal
    interrupts.
    """
    is_ending = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if not is_ending:
            raise KeyboardInterrupt

    @contextmanager
    def until_the_end() -> Iterator[None]:
        nonlocal is_ending
        try:
            yield
        finally:
            is_ending = True

    for number in stop_signals():
        signal.signal(number, interrupt)
    yield until_the_end()


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Delay the signals that stop us until the block has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
