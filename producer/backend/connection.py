"""The connection to Redis: commands and Lua scripts, with one error when it does not answer."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.commands.core import Script as RegisteredScript
from redis.retry import Retry

from producer.backend import scripts
from producer.backend.address import RedisAddress
from producer.backend.redis_errors import explained
from producer.errors import BrokerUnusable

Argument = str | bytes | int | float


class Broker:
    """One Redis, by URL. Safe to share between threads; connects when first used.

    Whatever asks Redis raises BrokerUnavailable if Redis does not answer, or refuses.
    """

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        """Prepare for Redis at `url`, whose every answer may take `timeout` seconds.

        What fails is tried once more, so an error comes after twice that, at the latest.

        Raises:
            InvalidSettings: if `url` is not a Redis URL.
        """
        self._address = RedisAddress.parse(url)
        self._redis = redis.Redis.from_url(
            self._address.url,
            decode_responses=True,
            # Some answers have other shapes in version 2, the default of older redis-py.
            protocol=3,
            socket_timeout=timeout,
            socket_connect_timeout=min(timeout, 5.0),
            # A PING before a command would be tried twice within each of two tries to connect,
            # and find a dead connection no sooner than the command itself.
            health_check_interval=0,
            retry=Retry(ConstantBackoff(0.1), 1),
            **({} if self._address.socket else {"socket_keepalive": True}),
        )
        self._timeout = timeout
        #: where Redis is, without any password
        self.address = self._address.shown
        self._registered: dict[str, RegisteredScript] = {}

    def run(self, script: str, *pieces: bytes, **arguments: Any) -> Any:
        """Run `producer/backend/lua/commands/<script>.lua`.

        Args:
            script: its name.
            pieces: what is binary.
            arguments: the others, by the names in the script's head.
        """
        packed = _packed(script, arguments)
        with self._reachable():
            return self._script(script)(args=[packed, *pieces])

    def run_many(self, script: str, calls: Iterable[Mapping[str, Any]]) -> list[Any]:
        """Run one script many times in one round trip."""
        with self._reachable(), self._redis.pipeline(transaction=False) as pipeline:
            registered = self._script(script)
            for arguments in calls:
                registered(args=[_packed(script, arguments)], client=pipeline)
            return list(pipeline.execute())

    def command(self, *words: Argument, raw: bool = False) -> Any:
        """Send one command; with `raw` the answer stays bytes."""
        with self._reachable():
            options = {"NEVER_DECODE": True} if raw else {}
            return self._redis.execute_command(*words, **options)

    def commands(self, calls: Iterable[Sequence[Argument]]) -> list[Any]:
        """Send many commands in one round trip."""
        with self._reachable(), self._redis.pipeline(transaction=False) as pipeline:
            for words in calls:
                pipeline.execute_command(*words)
            return list(pipeline.execute())

    def read_events(
        self, stream: str, after: str, seconds: float
    ) -> list[tuple[str, dict[str, str]]]:
        """Wait up to `seconds` for entries of a stream after an id; empty if none came."""
        # The answer must not be awaited longer than the socket is willing to wait.
        block = max(1, int(min(seconds, self._timeout / 2) * 1000))
        with self._reachable():
            answer: Any = self._redis.xread({stream: after}, count=1000, block=block)
        return [
            (str(entry), dict(fields))
            for (entries,) in answer.values()
            for entry, fields in entries
        ]

    def subscribe_once(self, suffix: str) -> None:
        """Subscribe to this database's channel of kombu that ends in `suffix`, and leave."""
        with self._reachable(), self._redis.pubsub() as channels:
            channels.psubscribe(f"/{self._address.database}.{suffix}")
            channels.parse_response()

    def script_commands(self) -> set[str]:
        """The commands of Redis that our scripts use."""
        return {
            command
            for name in scripts.names()
            for command in scripts.commands_of(scripts.load(name))
        }

    def judge(self, answers: Mapping[str, str]) -> None:
        """Judge errors that Redis gave to a script, by the command or key that each was met by.

        Raises:
            BrokerUnusable: if one of them stays until somebody changes a setting.
        """
        for said in answers.values():
            alike = [what for what, other in answers.items() if other == said]
            ours = explained(redis.ResponseError(said), self._address, alike)
            if isinstance(ours, BrokerUnusable):
                raise ours

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _script(self, name: str) -> RegisteredScript:
        if name not in self._registered:
            self._registered[name] = self._redis.register_script(scripts.load(name).source)
        return self._registered[name]

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            ours = explained(error, self._address)
            if ours is None:
                raise
            # What Redis says of a command that it refuses has the whole request in it.
            raise ours from (None if ours.refused else error)


def _packed(script: str, arguments: Mapping[str, Any]) -> str:
    if arguments.keys() != scripts.load(script).arguments:
        raise TypeError(f"{script} takes other arguments than {sorted(arguments)}")
    return json.dumps(arguments)
