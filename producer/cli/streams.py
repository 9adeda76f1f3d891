"""stdin, stdout and stderr as a shell passes them: closed, full, or a pipe that nobody reads."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from producer.errors import TranscribeQueueError

#: The exit code by which a shell says that a program wrote into a closed pipe.
PIPE_CLOSED = 128 + signal.SIGPIPE


class SystemFailed(TranscribeQueueError):
    """The system refuses what the command needs, such as space for its output."""

    exit_code = 1


class Unread(TranscribeQueueError):
    """The reader of the output has closed it."""

    exit_code = PIPE_CLOSED


class GuardedGroup(click.Group):
    """A group of commands that end with a sentence and an exit code on errors of the system.

    click itself ends with 1 where nobody reads its output, which says that a job failed.
    """

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """Parse the command line, and print the help if it asks for that."""
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
        # stderr has only chatter: `drop_unwritten` handles what it cannot write.
        sys.stdout.flush()
    except BrokenPipeError:
        raise Unread("Nobody reads the output any more.") from None
    except OSError as error:
        path = f" ({error.filename})" if error.filename else ""
        raise SystemFailed(f"Cannot continue: {error.strerror or error}{path}.") from error


def open_closed_streams() -> None:
    """Open /dev/null for closed streams, so that no file gets their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def drop_unwritten() -> None:
    """Drop what no stream can write; otherwise Python ends with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
