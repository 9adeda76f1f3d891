"""What can go wrong in a stage, sorted once where AWS or the disk is called.

StageError
├── Permanent         will never work: the stage abandons the job now
│   └── Crashed       the stage ended without an answer, time after time
└── Transient         may work later: the job is due again after a delay
    ├── ResultMissing a result of AWS is not there, and may yet be
    ├── Snooze        nothing is wrong, but it is not time yet: the job is due when it is
    │   └── LimitReached  it is large, and this process does enough such
    └── Throttled     the account is busy: the whole fleet slows down
        └── SlotsFull too many jobs run in the account: the job returns its slot
"""


class StageError(Exception):
    """The base: a short code, and one sentence for the reader of the job's record."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Permanent(StageError):
    """Will never work, so the stage abandons the job now."""


class Crashed(Permanent):
    """The stage crashed, or took its process down, so often that nobody tries again.

    How its effect stands is not known.
    """


class Transient(StageError):
    """Another try may succeed, so the job is due again after a delay."""


class ResultMissing(Transient):
    """The result of a job, or what belongs beside it, is not there, and may yet be."""

    def __init__(self, message: str) -> None:
        super().__init__("ResultMissing", message)


class Snooze(Transient):
    """It is not time yet, so the job is due again then, and not before."""

    def __init__(self, code: str, message: str, seconds: float, *, seen: str = "") -> None:
        super().__init__(code, message)
        #: how long to wait
        self.seconds = seconds
        #: what this try has seen of the job, for the next to compare with
        self.seen = seen


class LimitReached(Snooze):
    """It is large, and a worker does few such at once, so the job tries again before long."""

    def __init__(self, seconds: float) -> None:
        message = "This worker is at work on enough large jobs."
        super().__init__("LimitReached", message, seconds)


class Throttled(Transient):
    """Too many calls in the account, so the whole fleet slows down."""

    def __init__(self, code: str, message: str, operation: str) -> None:
        super().__init__(code, message)
        #: the AWS operation that was throttled
        self.operation = operation


class SlotsFull(Throttled):
    """Too many jobs run in the account, so the job returns its slot."""
