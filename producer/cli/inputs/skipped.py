"""The recordings and files that the command skips, by reason."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from producer.cli import output
from producer.contract.s3_uri import without_signature
from producer.errors import InvalidRequest


@dataclass
class Skipped:
    """Paths by the reason for which the command skips each."""

    _paths: dict[str, list[str]] = field(default_factory=dict)
    #: how many of them a person named; the others were found beneath a folder
    named: int = 0

    def __len__(self) -> int:
        return sum(map(len, self._paths.values()))

    def add(self, path: str | os.PathLike[str], reason: str, *, named: bool) -> None:
        """Note a path with a reason that follows it in a sentence, such as `is empty.`"""
        self._paths.setdefault(reason, []).append(_printable(path))
        self.named += named

    @contextmanager
    def listed_at_the_end(self, submitted: int) -> Iterator[None]:
        """List all at the end of the block, however it ends.

        Raises:
            Exit: with 1, if a person named one of them.
        """
        try:
            yield
        finally:
            self._list(submitted)
        if self.named:
            raise click.exceptions.Exit(1)

    def error(self) -> InvalidRequest:
        """The error where nothing else is left; if several are skipped, lists them before."""
        if len(self) == 1:
            return InvalidRequest(self._lines()[0])
        self._list(0)
        return InvalidRequest("You named no recording that can be submitted.")

    def _list(self, submitted: int) -> None:
        for line in self._lines():
            output.chatter(f"skipped: {line}")
        if self:
            output.chatter(f"skipped {len(self)} of {submitted + len(self)}.")

    def _lines(self) -> list[str]:
        """A line for each reason, with an example, however many there are."""
        return [
            f"{paths[0]} {reason}"
            if len(paths) == 1
            else f"each of {len(paths)}, such as {paths[0]}, {reason}"
            for reason, paths in self._paths.items()
        ]


def _printable(path: str | os.PathLike[str]) -> str:
    """A path or address without a signature, also where its name is not UTF-8."""
    return without_signature(os.fsencode(path).decode("utf-8", "backslashreplace"))
