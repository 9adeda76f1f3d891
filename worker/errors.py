"""What can go wrong in a stage, sorted once where AWS or the disk is called.

StageError
├── Permanent          will never work: the job fails now
└── Transient          may work later: the job is due again after a backoff
    ├── NoSeat         nothing is wrong, but it is large: the job stands in line for a seat
    ├── NotYet         nothing is wrong, but it is not its turn: the job is due when it is
    └── Throttled      the account is busy: the whole fleet slows down
        └── SlotsTaken too many jobs run in the account: the job gives its slot back
"""

from __future__ import annotations


class StageError(Exception):
    """The base: a short code and one sentence for whoever reads the job's record."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Permanent(StageError):
    """Will never work, so the job fails now."""


class Transient(StageError):
    """May work later, so the job is due again after a backoff."""


class Snooze(Transient):
    """Its turn comes later, so the job is due again then, and not before."""

    def __init__(self, code: str, message: str, seconds: float, *, seen: str = "") -> None:
        super().__init__(code, message)
        #: how long to wait
        self.seconds = seconds
        #: what this look has seen, for the next to compare with
        self.seen = seen


class LimitReached(Transient):
    """It is large, and a worker is at work on few such at once: the job stands in line."""


class Throttled(Transient):
    """Too many calls in the account, so the whole fleet slows down."""

    def __init__(self, code: str, message: str, operation: str) -> None:
        super().__init__(code, message)
        #: the AWS operation that was throttled
        self.operation = operation


class SlotsFull(Throttled):
    """Too many jobs run in the account, so the job gives its slot back."""
