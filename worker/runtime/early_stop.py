"""Ending a worker that has not begun to work, by a signal or as it is set up wrongly.

Python ends at once, and with a bad exit code, by a signal that nobody answers. To be imported, and
called, before anything else that lasts.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

#: All that stop a worker.
STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM)
_APP_OPTIONS = ("-A", "--app")


def answer_early(arguments: Sequence[str]) -> None:
    """Answer signals from now on, if the command line is that of a worker and not of a tool."""
    if starts_worker(arguments):
        for number in STOP_SIGNALS:
            signal.signal(number, _end)


def starts_worker(arguments: Sequence[str]) -> bool:
    """Whether `celery ARGUMENTS` starts a worker; the app may be named `worker` as well."""
    words = [
        word
        for before, word in zip(("", *arguments), arguments, strict=False)
        if before not in _APP_OPTIONS
    ]
    return "worker" in words


def refuse(sentence: str) -> NoReturn:
    """End a worker that cannot work as it is set up: exit code 2."""
    sys.stderr.write(f"worker: {sentence}\n")
    sys.exit(2)


def _end(_number: int, _frame: FrameType | None) -> None:
    # There is no lease yet. What Python does at its end could wait for an import.
    os.write(2, b"worker: stopped before it had started.\n")
    os._exit(0)
