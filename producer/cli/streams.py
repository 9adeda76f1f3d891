"""stdin, stdout and stderr as a shell hands them over: closed, full, or with nobody who reads."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from producer.errors import TranscribeQueueError

#: What a shell says of a program whose output nobody reads any more.
PIPE_CLOSED = 128 + signal.SIGPIPE


class CannotGoOn(TranscribeQueueError):
    """The system refuses what the command needs, such as room for its output."""

    exit_code = 1


class Unread(TranscribeQueueError):
    """Whoever read the output has closed it, and has seen enough."""

    exit_code = PIPE_CLOSED


class GuardedGroup(click.Group):
    """A group of commands whose errors of the system have a sentence and an exit code.

    click by itself ends with 1 where nobody reads its output, which says that a job failed.
    """

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """Parse the command line, and print the help if that is asked for."""
        with _system_errors():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _system_errors():
            return super().invoke(ctx)


@contextmanager
def _system_errors() -> Iterator[None]:
    try:
        yield
        # Of stderr, which only has chatter, what cannot be written is forgotten at the end.
        sys.stdout.flush()
    except BrokenPipeError:
        raise Unread("Nobody reads the output any more.") from None
    except OSError as error:
        path = f" ({error.filename})" if error.filename else ""
        raise CannotGoOn(f"Cannot go on: {error.strerror or error}{path}.") from error


def open_closed_streams() -> None:
    """Have streams that were closed lead nowhere, also for files that would get their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def forget_unwritten() -> None:
    """Drop what can be written nowhere, on which Python would end with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
