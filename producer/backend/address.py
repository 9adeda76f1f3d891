"""Where Redis is: what TRANSCRIBE_REDIS_URL may say, read once for redis-py and for Celery."""

import os
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from producer.errors import InvalidSettings

_PORT = 6379
_VERIFICATIONS = ("none", "optional", "required")
#: Query parameters of `rediss://` that redis-py and kombu both read, and the files among them.
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_TLS = _TLS_FILES | {"ssl_cert_reqs", "ssl_check_hostname"}


@dataclass(frozen=True)
class RedisAddress:
    """One Redis database, and who we are there."""

    #: redis, rediss or unix
    scheme: str
    host: str
    port: int
    #: the path of a unix socket, else ''
    socket: str
    database: int
    user: str = ""
    password: str = field(default="", repr=False)
    #: query parameters about TLS
    tls: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            InvalidSettings: with one sentence, without the password, if it is none that works for
                producers and workers alike.
        """
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            raise _wrong(
                "has no valid host and port; in a password write special characters as %-codes, "
                "such as %23 for #"
            ) from None
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise _wrong(
                "must begin with redis://, rediss:// (TLS) or unix:///, "
                "as in redis://127.0.0.1:6379/0"
            )
        if parts.fragment:
            raise _wrong("contains #; in a password write it as %23")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        socket = parts.scheme == "unix"
        if socket and (parts.hostname or parts.path in {"", "/"}):
            raise _wrong(
                "must name the socket by its whole path, as in unix:///run/redis.sock?db=0"
            )
        database = query.pop("db", "0" if socket else parts.path.strip("/") or "0")
        if not (database.isascii() and database.isdigit()):
            raise _wrong("must end in the number of a database, as in redis://127.0.0.1:6379/0")
        return cls(
            scheme=parts.scheme,
            host="" if socket else parts.hostname or "127.0.0.1",
            port=_PORT if port is None else port,
            socket=unquote(parts.path) if socket else "",
            database=int(database),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=_tls(parts, query),
        )

    @property
    def url(self) -> str:
        """For redis-py."""
        if self.socket:
            return f"unix://{self._login}{quote(self.socket)}?db={self.database}"
        return f"{self.scheme}://{self._login}{self._server}/{self.database}{self._query}"

    @property
    def celery_url(self) -> str:
        """For Celery, which wants the name of the transport and a `+` before a `socket://`."""
        if self.socket:
            return f"socket://{self._login}{quote(self.socket)}?virtual_host={self.database}"
        return self.url

    @property
    def shown(self) -> str:
        """For people: where Redis is, without user and password."""
        return self.socket or self._server

    @property
    def _server(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def _login(self) -> str:
        if not (self.user or self.password):
            return ""
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return f"{quote(self.user, safe='')}{password}@"

    @property
    def _query(self) -> str:
        return f"?{urlencode(self.tls)}" if self.tls else ""


def _tls(parts: SplitResult, query: dict[str, str]) -> tuple[tuple[str, str], ...]:
    allowed = _TLS if parts.scheme == "rediss" else frozenset()
    for name, value in query.items():
        if name not in allowed:
            advice = "it belongs to rediss://" if name in _TLS else "leave it out"
            raise _wrong(f"has the parameter {name!r}, which is not understood: {advice}")
        if name in _TLS_FILES and not os.access(value, os.R_OK):
            raise _wrong(f"names the file {value} for {name}, which cannot be read")
        if name == "ssl_cert_reqs" and value not in _VERIFICATIONS:
            raise _wrong(f"has {name}={value}; it must be one of {', '.join(_VERIFICATIONS)}")
    return tuple(query.items())


def _wrong(what: str) -> InvalidSettings:
    return InvalidSettings(f"TRANSCRIBE_REDIS_URL {what}.")
