"""Every key that we use in Redis: its type, what it means, and who deletes it.

Nothing else spells a key. Scripts get these names rendered in, see `scripts`;
`docs/reference/redis-keys.md` is held against this table, and this table against a real run.
"""

from dataclasses import dataclass
from typing import Literal


def prefix() -> str:
    """What all our keys begin with, but the queues, which Celery names; one for the process.

    It is asked for as Redis is used, never while modules are imported.
    """
    return "transcribe:"


Type = Literal["string", "hash", "list", "set", "zset", "stream"]


@dataclass(frozen=True)
class Key:
    """One key, or the keys of one kind, whose names end in what they belong to."""

    name: str
    type: Type
    meaning: str
    #: who deletes it, and when
    deleted: str
    #: what the names end in, as `<job>`; '' for a single key
    of: str = ""

    def __str__(self) -> str:
        return f"{prefix()}{self.name}"

    def __call__(self, *of: object) -> str:
        """The key of one job, stage, state, ..."""
        return ":".join([str(self), *map(str, of)])

    def matches(self, name: str) -> bool:
        """Whether a name is one of these keys."""
        return name.startswith(f"{self}:") if self.of else name == str(self)

    @property
    def pattern(self) -> str:
        """The name as documents write it."""
        return f"{self}:{self.of}" if self.of else str(self)


_EXPIRES = "expires with the record"

JOB = Key("job", "hash", "the record of a job", "expires `retention` after the end", "<job>")
STATE = Key(
    "state", "zset", "jobs in a state, by when they entered it", "prune, once expired", "<state>"
)
DEADLINES = Key("deadlines", "zset", "jobs that have not ended, by deadline", "the end of a job")
EVENTS = Key("events", "stream", "every move of every job", "capped, oldest first")
RESULT_TEXT = Key("text", "string", "text of a result, compressed", _EXPIRES, "<job>")
RESULT_DOCUMENT = Key("document", "string", "document of a result, compressed", _EXPIRES, "<job>")
S3_KEY = Key(
    "key", "string", "the job that has reserved an S3 key", "expires after 100 days", "<S3 key>"
)

IDENTITY = Key(
    "identity",
    "string",
    "where the result of a fingerprint is, as JSON",
    "expires `TRANSCRIBE_IDENTITY_RETENTION` after it was written",
    "<fingerprint>",
)
ORIGINALS = Key(
    "originals",
    "hash",
    "beginning of a fingerprint -> the job on its way to its result",
    "the end of the job",
)
TWINS = Key("twins", "set", "jobs that wait for a job's result", "the end of that job", "<job>")

SCHEDULE = Key(
    "schedule", "zset", "entries of a stage, by when they are due", "the end of the work", "<stage>"
)
LEASE = Key(
    "lease",
    "hash",
    "entry -> the fencing token of who works on it, or 0 while a message is on its way",
    "release, complete",
    "<stage>",
)
STALLED = Key(
    "stalled", "hash", "entry -> leases that lapsed in a row", "release, complete", "<stage>"
)
FAILURES = Key(
    "failures", "hash", "entry -> tries in a row that crashed", "release, complete", "<stage>"
)
FENCING_TOKEN = Key("fencing_token", "string", "the last fencing token", "nobody")
DISPATCHED = Key("dispatched", "hash", "stage -> when it was dispatched last", "nobody")

WAITING = Key(
    "waiting",
    "zset",
    "a fair queue's entries of one tenant, by priority and age",
    "the end of the wait",
    "<queue>[:<tenant>]",
)
TENANTS = Key(
    "tenants", "zset", "tenants of a fair queue, by virtual time", "with the queue", "<queue>"
)
VIRTUAL_TIME = Key(
    "virtual_time", "string", "the virtual time of a fair queue", "with the queue", "<queue>"
)
REQUEUED = Key("requeued", "zset", "READY jobs that go before all tenants", "their start")

RUNNING = Key("running", "zset", "jobs that Transcribe has, by their start", "the poll")
DURATIONS = Key("durations", "list", "seconds that the last jobs took", "expires after an hour")
LIST_PAGES = Key("list_pages", "string", "pages of the account's list", "expires after 60 s")
MISSED = Key(
    "missed", "set", "running jobs that a list lacked, without a result", "expires after 60 s"
)

TOKENS_USED = Key(
    "tokens:used", "zset", "tokens of calls under way", "the answer, or a timeout", "<operation>"
)
TOKENS_COOLING = Key(
    "tokens:cooling",
    "zset",
    "tokens by when they may be used again",
    "the next call",
    "<operation>",
)
TOKENS_PAUSED = Key(
    "tokens:paused", "string", "nobody calls before this time", "expires then", "<operation>"
)
TOKENS_LAST = Key("tokens:last", "string", "the number of the last token", "nobody")
BACKOFF = Key(
    "backoff",
    "hash",
    "the backoff factor of an operation, or of `slots`, since the last refusal",
    "nobody",
    "<operation>",
)
SLOWED = Key("slowed", "set", "what has a backoff factor below 1", "its recovery")
REFUSALS = Key("refusals", "hash", "operation -> calls that AWS refused", "nobody")
QUOTAS = Key("quotas", "hash", "what Service Quotas said", "expires after an hour")
OTHER_JOBS = Key("other_jobs", "string", "running jobs of other software", "expires in a minute")
CAPACITY = Key("capacity", "string", "what the fleet may use now, as JSON", "expires after 20 s")

INBOX = Key("inbox", "string", "a message of others, as it came", "its acceptance", "<number>")
DEAD_LETTERS = Key("dead_letters", "list", "messages refused, latest first", "`transcribe dead`")
WORKERS = Key(
    "workers", "hash", "worker and its process -> its last heartbeat", "its end, or long silence"
)
EPOCH = Key("epoch", "string", "a mark that a Redis that lost its memory lacks", "nobody")
RECOVERY = Key("recovery", "hash", "the last recovery and how it stands", "expires `retention`")
RECOVERED = Key("recovered", "hash", "job -> what the last recovery found", "expires `retention`")
ACCESS = Key("access", "string", "what rights are tried on", "at once, or within 60 s")

KEYS = tuple(value for value in list(vars().values()) if isinstance(value, Key))
