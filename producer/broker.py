"""The connection to Redis: commands and Lua scripts, with one error when it does not answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import ConstantBackoff
from redis.commands.core import Script
from redis.retry import Retry

from producer.errors import BrokerUnavailable, InvalidSettings

Argument = str | bytes | int | float

_SCRIPTS = resources.files("producer") / "lua"
#: With these words Redis refuses work that it may take later: it is full, loading, or no master.
_REFUSALS = re.compile(
    r"\b(OOM|MISCONF|NOREPLICAS|BUSY|READONLY|LOADING|CLUSTERDOWN|MASTERDOWN|TRYAGAIN)\b"
)

#: The same, where redis-py knows the word and takes it away.
_REFUSED = (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError)


class Broker:
    """One Redis, by URL. Safe to share between threads; connects when first used."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        """Prepare for Redis at `url`, whose every answer may take `timeout` seconds.

        What fails is tried once more, so an error comes after twice that, at the latest.

        Raises:
            InvalidSettings: if `url` is not a Redis URL.
        """
        try:
            self._redis = redis.Redis.from_url(
                url,
                decode_responses=True,
                socket_timeout=timeout,
                socket_connect_timeout=min(timeout, 5.0),
                socket_keepalive=True,
                # A PING before a command would be tried twice within each of two tries to connect,
                # and find a dead connection no sooner than the command itself.
                health_check_interval=0,
                retry=Retry(ConstantBackoff(0.1), 1),
            )
        except ValueError:
            raise InvalidSettings(
                "TRANSCRIBE_REDIS_URL must look like redis://host:6379/0 or rediss://… for TLS."
            ) from None
        self._timeout = timeout
        parts = urlsplit(url)
        #: where Redis is, without any password
        self.address = f"{parts.hostname or parts.path}:{parts.port or 6379}"
        self._scripts: dict[str, Script] = {}

    def run(self, script: str, *arguments: Argument) -> Any:
        """Run `producer/lua/<script>.lua`.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._reachable():
            return self._script(script)(args=list(arguments))

    def run_many(self, script: str, calls: Iterable[Sequence[Argument]]) -> list[Any]:
        """Run one script many times in one round trip.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._reachable(), self._redis.pipeline(transaction=False) as pipeline:
            registered = self._script(script)
            for arguments in calls:
                registered(args=list(arguments), client=pipeline)
            return list(pipeline.execute())

    def command(self, *words: Argument, raw: bool = False) -> Any:
        """Send one command; with `raw` the answer stays bytes.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._reachable():
            options = {"NEVER_DECODE": True} if raw else {}
            return self._redis.execute_command(*words, **options)

    def commands(self, calls: Iterable[Sequence[Argument]]) -> list[Any]:
        """Send many commands in one round trip.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        with self._reachable(), self._redis.pipeline(transaction=False) as pipeline:
            for words in calls:
                pipeline.execute_command(*words)
            return list(pipeline.execute())

    def read_events(
        self, stream: str, after: str, seconds: float
    ) -> list[tuple[str, dict[str, str]]]:
        """Wait up to `seconds` for entries of a stream after an id; empty if none came.

        Raises:
            BrokerUnavailable: if Redis does not answer.
        """
        # The answer must not be awaited longer than the socket is willing to wait.
        block = max(1, int(min(seconds, self._timeout / 2) * 1000))
        with self._reachable():
            answer: Any = self._redis.xread({stream: after}, count=1000, block=block)
        if not answer:
            return []
        entries = answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]
        return [(str(entry), dict(fields)) for entry, fields in entries]

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _script(self, name: str) -> Script:
        if name not in self._scripts:
            prelude = (_SCRIPTS / "prelude.lua").read_text(encoding="utf-8")
            body = (_SCRIPTS / f"{name}.lua").read_text(encoding="utf-8")
            self._scripts[name] = self._redis.register_script(f"{prelude}\n{body}")
        return self._scripts[name]

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except redis.AuthenticationError:
            raise BrokerUnavailable(
                f"Redis at {self.address} refuses the password in TRANSCRIBE_REDIS_URL."
            ) from None
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise self._unavailable(error) from error
        except redis.ResponseError as error:
            if not (isinstance(error, _REFUSED) or _REFUSALS.search(str(error))):
                raise
            raise self._unavailable(error, refused=True) from error

    def _unavailable(self, error: Exception, *, refused: bool = False) -> BrokerUnavailable:
        text = str(error).split("\n", 1)[0]
        # A refusal comes wrapped in the command that it was met by, with the whole request in it.
        said = _REFUSALS.search(text)
        reason = text[said.start() if said else 0 :][:200].rstrip(".")
        return BrokerUnavailable(
            f"Redis at {self.address} is not to be had ({reason}). "
            "Check that it runs and that TRANSCRIBE_REDIS_URL is right.",
            refused=refused,
        )
