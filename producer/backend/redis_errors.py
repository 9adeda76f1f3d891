"""What each error of Redis means: what happened, why, and what to change.

Errors of two kinds end here. `BrokerUnavailable` passes by itself or when Redis is mended: who can
wait, waits. `BrokerUnusable` stays until somebody changes a setting, ours or Redis's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import redis

from producer.backend.address import RedisAddress
from producer.errors import BrokerUnavailable, BrokerUnusable

#: Where the rights that we need are listed.
RIGHTS = "docs/reference/redis.md"
_MAX_REASON = 200


@dataclass(frozen=True)
class _Meaning:
    """One kind of error, known by redis-py's class for it or by Redis's words."""

    #: the sentence, or what follows "Redis at <address>"
    says: str
    words: str = ""
    classes: tuple[type[Exception], ...] = ()
    #: whether it passes without a change of settings
    passes: bool = False

    def fits(self, error: Exception, text: str) -> bool:
        """Whether an error is of this kind."""
        known = isinstance(error, self.classes)
        return known or bool(self.words and re.search(self.words, text, re.IGNORECASE))


#: Sources: the error strings of Redis 6.2 and 7.2, and the classes of redis-py 8, which takes the
#: first word away where it knows it. The first that fits counts.
_MEANINGS = (
    _Meaning(
        "does not let {user} use {denied}: give it the rights that {rights} lists.",
        # What ACLs forbid inside of a script has other words: those of 6.2, and those of 7.
        r"\bNOPERM\b|user executing the script can't|ACL failure in script",
        (redis.exceptions.NoPermissionError,),
    ),
    _Meaning(
        "{login}.",
        r"\b(NOAUTH|WRONGPASS)\b",
        (redis.AuthenticationError, redis.exceptions.AuthenticationWrongNumberOfArgsError),
    ),
    _Meaning(
        "has no database {database}: TRANSCRIBE_REDIS_URL ends in the number, which is 0 to 15 "
        "unless Redis's setting `databases` says otherwise.",
        r"\bDB index is out of range|invalid DB index",
    ),
    _Meaning(
        "is a replica that has lost its master: wait for it, or set TRANSCRIBE_REDIS_URL to the "
        "master.",
        r"\bMASTERDOWN\b",
        (redis.exceptions.MasterDownError,),
        passes=True,
    ),
    _Meaning(
        "is a Redis Cluster, which cannot serve this queue, whose scripts use many keys at once: "
        "set TRANSCRIBE_REDIS_URL to a Redis without `cluster-enabled`.",
        r"\b(CROSSSLOT|CLUSTERDOWN)\b|not allowed in cluster mode|non local key in a cluster"
        r"|do not hash to the same slot",
        (
            redis.exceptions.ClusterCrossSlotError,
            redis.exceptions.ClusterDownError,
            redis.exceptions.MovedError,
            redis.exceptions.AskError,
        ),
    ),
    _Meaning(
        "is a replica, which takes no writes: set TRANSCRIBE_REDIS_URL to the master, or wait "
        "until this one is promoted.",
        r"\bREADONLY\b",
        (redis.exceptions.ReadOnlyError,),
        passes=True,
    ),
    _Meaning(
        "is full (its maxmemory is used up): give it more memory; what it holds is safe.",
        r"\bOOM\b",
        (redis.exceptions.OutOfMemoryError,),
        passes=True,
    ),
    _Meaning(
        "cannot write to its disk (MISCONF), so it takes no writes: make room there; its log says "
        "more.",
        r"\bMISCONF\b",
        passes=True,
    ),
    _Meaning(
        "is still loading its data: wait.",
        r"\bLOADING\b",
        (redis.exceptions.BusyLoadingError,),
        passes=True,
    ),
    _Meaning(
        "has too few replicas to take writes (NOREPLICAS): mend them, or lower "
        "min-replicas-to-write.",
        r"\bNOREPLICAS\b",
        passes=True,
    ),
    _Meaning(
        "is busy with a script (BUSY): wait.",
        r"\bBUSY\b",
        passes=True,
    ),
    _Meaning(
        "has no connection left for us: raise its maxclients, or close connections of others.",
        r"max number of clients reached",
        (redis.exceptions.MaxConnectionsError,),
        passes=True,
    ),
    _Meaning(
        "takes connections from its own machine only (protected mode): give it a password "
        "(requirepass) and write that into TRANSCRIBE_REDIS_URL.",
        r"protected mode",
    ),
    _Meaning(
        "does not know the command {command}: it was renamed there, or this is no Redis of "
        "version 6.2 or newer.",
        r"unknown (redis )?command",
    ),
    _Meaning(
        "does not speak TLS: write redis:// instead of rediss:// into TRANSCRIBE_REDIS_URL, or "
        "the port on which it does.",
        r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE",
    ),
    _Meaning(
        "What answers at {address} is not Redis: correct host and port in TRANSCRIBE_REDIS_URL.",
        classes=(redis.exceptions.InvalidResponse,),
    ),
)


def explained(
    error: Exception, address: RedisAddress, met_by: Sequence[str] = ()
) -> BrokerUnavailable | None:
    """The error of ours, in one sentence, for one of redis-py; None for a mistake in our calls.

    Args:
        error: what redis-py raised.
        address: where.
        met_by: the commands or keys that it was met by, where the error does not say.
    """
    # The command that an error was met by comes with it: the whole request, which may say anything.
    text = str(error).rpartition(" of pipeline caused error: ")[2].partition(", with args")[0]
    for meaning in _MEANINGS:
        if meaning.fits(error, text):
            says = (
                meaning.says
                if meaning.says[0].isupper()
                else f"Redis at {{address}} {meaning.says}"
            )
            sentence = says.format(**_details(text, address, met_by))
            return (
                BrokerUnavailable(sentence, refused=True)
                if meaning.passes
                else BrokerUnusable(sentence)
            )
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
        return _unreached(text, address)
    return None


def _details(text: str, address: RedisAddress, met_by: Sequence[str]) -> dict[str, str]:
    """What a sentence may say, none of it taken from a request."""
    command = _command(text)
    user = f"the user {address.user!r}" if address.user else "its default user"
    login = (
        "refuses the password in TRANSCRIBE_REDIS_URL: correct it, or the user there"
        if address.password
        else "wants a password, and TRANSCRIBE_REDIS_URL has none: write "
        "redis://USER:PASSWORD@HOST:PORT/0"
    )
    if met_by:
        denied = ", ".join(met_by)
    elif command:
        denied = f"the command {command}"
    elif "channel" in text:
        denied = "one of our channels"
    else:
        denied = "one of our keys" if "key" in text else "a command of our scripts"
    return {
        "address": address.shown,
        "command": command or ", ".join(met_by) or "of one of our scripts",
        "database": str(address.database),
        "denied": denied,
        "login": login,
        "rights": RIGHTS,
        "user": user,
    }


def _command(text: str) -> str:
    """The command that an error of Redis 6.2 or 7 is about; '' if it does not say."""
    found = re.search(r"(?:run the|unknown command) [`']([\w|-]+)[`']", text)
    return found[1].upper() if found else ""


def _unreached(text: str, address: RedisAddress) -> BrokerUnavailable:
    reason = text.split("\n", 1)[0][:_MAX_REASON].rstrip(".")
    # redis-py begins with "Error 111 connecting to host:port.", which the sentence says itself.
    reason = re.sub(r"^Error -?\d+ (while )?connecting to \S+ ", "", reason)
    secure = address.scheme == "rediss"
    cut = "closed" in reason or "reset" in reason
    tls = " and speaks TLS" if secure else ", takes connections without TLS" if cut else ""
    return BrokerUnavailable(
        f"Cannot reach Redis at {address.shown} ({reason[:1].lower() + reason[1:]}): check that it "
        f"runs{tls} and that TRANSCRIBE_REDIS_URL is right."
    )
