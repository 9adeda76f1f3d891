"""The size and time of a file, which show whether somebody still writes to it."""

import os
from dataclasses import dataclass
from typing import Self

from worker.errors import Transient


@dataclass(frozen=True)
class Stamp:
    """The attributes of a file that change when somebody writes to it."""

    size: int
    #: by the clock of the machine that has the file, in nanoseconds since 1970
    mtime_ns: int

    @classmethod
    def of(cls, descriptor: int) -> Self:
        """The stamp of an open file, as it is now."""
        status = os.fstat(descriptor)
        return cls(status.st_size, status.st_mtime_ns)

    def __str__(self) -> str:
        return f"{self.size} {self.mtime_ns}"

    def quiet_in(self, period: float, *, now: float, seen_for: float) -> float:
        """Seconds until nobody has written to the file for `period`; 0 if that is so.

        Args:
            period: in seconds.
            now: seconds since 1970 by a clock of ours, from which the file's may differ.
            seen_for: seconds for which it is known to have had this stamp, whatever any clock says.
        """
        age = now - self.mtime_ns / 1e9
        # An age below 0 is of a clock that is wrong: only what was seen counts then.
        return max(0.0, period - max(0.0, age, seen_for))


def changed() -> Transient:
    """The error for a recording that somebody writes to while it is uploaded."""
    return Transient(
        "FileChanged",
        "The recording changed while a worker uploaded it; a worker uploads it again once nobody "
        "writes to it.",
    )
