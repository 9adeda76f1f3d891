"""What was named, or lies beneath a folder that was, and is not taken: listed by reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from producer.cli import output
from producer.contract.s3_uri import without_signature
from producer.errors import InvalidRequest


def shown(path: str | os.PathLike[str]) -> str:
    """A path or address as it can be printed: also a name that is not UTF-8, no signature."""
    return without_signature(os.fsencode(path).decode("utf-8", "backslashreplace"))


@dataclass
class LeftOut:
    """Paths by the reason for which each was left out."""

    _paths: dict[str, list[str]] = field(default_factory=dict)
    #: how many of them were named, and not only found
    named: int = 0

    def __len__(self) -> int:
        return sum(map(len, self._paths.values()))

    def add(self, path: str | os.PathLike[str], reason: str, *, named: bool) -> None:
        """Note a path, and the reason: what is said of it, such as `is empty.`"""
        self._paths.setdefault(reason, []).append(shown(path))
        self.named += named

    def lines(self) -> list[str]:
        """A line for each reason, with an example, however many there are."""
        return [
            f"{paths[0]} {reason}"
            if len(paths) == 1
            else f"each of {len(paths)}, such as {paths[0]}, {reason}"
            for reason, paths in self._paths.items()
        ]

    @contextmanager
    def listed_at_the_end(self, submitted: int) -> Iterator[None]:
        """List all at the end of the block, however it ends.

        Raises:
            Exit: with 1, if something that was named is among them.
        """
        try:
            yield
        finally:
            self.show(submitted)
        if self.named:
            raise click.exceptions.Exit(1)

    def show(self, submitted: int) -> None:
        """List all on stderr."""
        for line in self.lines():
            output.chatter(f"left out: {line}")
        if self:
            output.chatter(f"{len(self)} left out of {submitted + len(self)}.")

    def refusal(self) -> InvalidRequest:
        """The error where nothing is left to take; all but a single path is listed before."""
        if len(self) == 1:
            return InvalidRequest(self.lines()[0])
        self.show(0)
        return InvalidRequest("Nothing of what was named can be taken.")
