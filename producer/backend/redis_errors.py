"""What each error of Redis means: what happened, why, and what to change.

Errors of two kinds end here. `BrokerUnavailable` passes by itself or when Redis is mended: who can
wait, waits. `BrokerUnusable` stays until somebody changes a setting, ours or Redis's.
"""

import re
from collections.abc import Mapping, Sequence

import redis

from producer.backend.address import RedisAddress
from producer.errors import BrokerUnavailable, BrokerUnusable

#: Where the rights that we need are listed.
RIGHTS = "docs/reference/redis.md"
_MAX_REASON = 200


#: The first word of errors whose class in redis-py stands for it: redis-py takes the word away.
_FIRST_WORDS = {
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.AuthenticationError: "WRONGPASS",
    redis.exceptions.AuthenticationWrongNumberOfArgsError: "WRONGPASS",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.ClusterCrossSlotError: "CROSSSLOT",
    redis.exceptions.ClusterDownError: "CLUSTERDOWN",
    redis.exceptions.AskError: "CLUSTERDOWN",  # MovedError, too
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.BusyLoadingError: "LOADING",
    redis.exceptions.MaxConnectionsError: "max number of clients reached",
    redis.exceptions.InvalidResponse: "INVALIDRESPONSE",
}
#: Errors that stay until a setting changes: a pattern -> the sentence, or what follows
#: "Redis at <address>". Sources: the error strings of Redis 6.2 and 7.2.
_UNUSABLE = {
    # What ACLs forbid inside of a script has other words: those of 6.2, and those of 7.
    r"\bNOPERM\b|user executing the script can't|ACL failure in script": "does not let {user} use "
    "{denied}: give it the rights that {rights} lists.",
    r"\b(NOAUTH|WRONGPASS)\b": "{login}.",
    r"\bDB index is out of range|invalid DB index": "has no database {database}: "
    "TRANSCRIBE_REDIS_URL ends in the number, which is 0 to 15 unless Redis's setting `databases` "
    "says otherwise.",
    r"\b(CROSSSLOT|CLUSTERDOWN)\b|not allowed in cluster mode|non local key in a cluster"
    r"|do not hash to the same slot": "is a Redis Cluster, which cannot serve this queue, whose "
    "scripts use many keys at once: set TRANSCRIBE_REDIS_URL to a Redis without `cluster-enabled`.",
    r"protected mode": "takes connections from its own machine only (protected mode): give it a "
    "password (requirepass) and write that into TRANSCRIBE_REDIS_URL.",
    r"unknown (redis )?command": "does not know the command {command}: it was renamed there, or "
    "this is no Redis of version 6.2 or newer.",
    r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE": "does not speak TLS: write redis:// instead of "
    "rediss:// into TRANSCRIBE_REDIS_URL, or the port on which it does.",
    r"INVALIDRESPONSE": "What answers at {address} is not Redis: correct host and port in "
    "TRANSCRIBE_REDIS_URL.",
}
#: The same for errors that pass by themselves, or when Redis is mended.
_UNAVAILABLE = {
    r"\bMASTERDOWN\b": "is a replica that has lost its master: wait for it, or set "
    "TRANSCRIBE_REDIS_URL to the master.",
    r"\bREADONLY\b": "is a replica, which takes no writes: set TRANSCRIBE_REDIS_URL to the master, "
    "or wait until this one is promoted.",
    r"\bOOM\b": "is full (its maxmemory is used up): give it more memory; what it holds is safe.",
    r"\bMISCONF\b": "cannot write to its disk (MISCONF), so it takes no writes: make room there; "
    "its log says more.",
    r"\bLOADING\b": "is still loading its data: wait.",
    r"\bNOREPLICAS\b": "has too few replicas to take writes (NOREPLICAS): mend them, or lower "
    "min-replicas-to-write.",
    r"\bBUSY\b": "is busy with a script (BUSY): wait.",
    r"max number of clients reached": "has no connection left for us: raise its maxclients, or "
    "close connections of others.",
}


def explained(
    error: Exception, address: RedisAddress, met_by: Sequence[str] = ()
) -> BrokerUnavailable | None:
    """The error of ours, in one sentence, for one of redis-py; None for a mistake in our calls.

    Args:
        error: what redis-py raised.
        address: where.
        met_by: the commands or keys that it was met by, where the error does not say.
    """
    # redis-py adds the command to its error: the whole request, which may say anything.
    text = str(error).rpartition(" of pipeline caused error: ")[2].partition(", with args")[0]
    # The first that fits: for redis-py, MASTERDOWN is a kind of CLUSTERDOWN.
    word = next((word for each, word in _FIRST_WORDS.items() if isinstance(error, each)), "")
    full = f"{word} {text}"
    details = _details(text, address, met_by)
    if meaning := _meaning(full, _UNUSABLE):
        return BrokerUnusable(meaning.format(**details))
    if meaning := _meaning(full, _UNAVAILABLE):
        return BrokerUnavailable(meaning.format(**details), refused=True)
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
        return _unreached(text, address)
    return None


def _meaning(text: str, meanings: Mapping[str, str]) -> str:
    """The sentence of the first pattern that an error has; '' if it has none."""
    found = (says for words, says in meanings.items() if re.search(words, text, re.IGNORECASE))
    says = next(found, "")
    return says if says[:1].isupper() or not says else f"Redis at {{address}} {says}"


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
