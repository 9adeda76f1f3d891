"""TRANSCRIBE_REDIS_URL: what it may say, read alike for redis-py and for Celery."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection
from kombu.utils.url import parse_url, url_to_parts
from redis.connection import parse_url as redis_parse_url

from producer import Client, InvalidSettings
from producer.backend.address import RedisAddress


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        "http://127.0.0.1/0",
        "redis+socket:///run/redis.sock",
        "sentinel://127.0.0.1:26379/0",
        "redis://127.0.0.1/abc",
        "redis://127.0.0.1/0/1",
        "redis://127.0.0.1/-1",
        "redis://127.0.0.1/\N{SUPERSCRIPT TWO}",
        "redis://127.0.0.1/0?db=abc",
        "redis://127.0.0.1:99999/0",
        "redis://127.0.0.1:port/0",
        "redis://:s3cret#w@127.0.0.1/0",
        "redis://:s3cret@127.0.0.1/0#1",
        "redis://:s3cret@[::1/0",
        "redis://:s3cret@127.0.0.1/0?socket_timeout=3",
        "redis://:s3cret@127.0.0.1/0?ssl_ca_certs=/etc/hosts",
        "rediss://:s3cret@127.0.0.1/0?ssl_ca_certs=/no/such/file",
        "rediss://:s3cret@127.0.0.1/0?ssl_cert_reqs=CERT_NONE",
        "unix://tmp/redis.sock",
        "unix://",
        "unix:///run/redis.sock?db=abc",
        "unix:///run/redis.sock?virtual_host=1",
    ],
)
def test_what_works_not_for_both_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        Client(url)
    sentence = str(caught.value)
    assert sentence.startswith("TRANSCRIBE_REDIS_URL ")
    assert sentence.endswith(".")
    assert "s3cret" not in sentence
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown", "database"),
    [
        ("redis://", "127.0.0.1:6379", 0),
        (" redis://redis.internal/\n", "redis.internal:6379", 0),
        ("redis://:pw@redis.internal:7000/3", "redis.internal:7000", 3),
        ("redis://redis.internal?db=4", "redis.internal:6379", 4),
        ("redis://redis.internal/1?db=4", "redis.internal:6379", 4),
        ("rediss://u:p@[::1]:7000/3?ssl_cert_reqs=none", "[::1]:7000", 3),
        ("unix:///run/redis.sock", "/run/redis.sock", 0),
        ("unix://u:pw@/run/a%20b.sock?db=2", "/run/a b.sock", 2),
    ],
)
def test_where_it_is_and_which_database(url: str, shown: str, database: int) -> None:
    address = RedisAddress.parse(url)
    assert (address.shown, address.database) == (shown, database)
    assert "pw" not in repr(address)


@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 99))
def test_redis_py_and_celery_read_the_same(user: str, password: str, database: int) -> None:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    address = RedisAddress.parse(f"redis://{login}@redis.internal:7000/{database}")
    ours = redis_parse_url(address.url)
    assert (ours["username"], ours["password"], ours["db"]) == (user, password, database)
    celerys = parse_url(address.celery_url)
    assert (celerys["userid"], celerys["password"]) == (user, password)
    assert (celerys["hostname"], celerys["virtual_host"]) == ("redis.internal", str(database))
    assert RedisAddress.parse(address.url) == address


@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 99))
def test_celery_finds_a_socket(user: str, password: str, database: int) -> None:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    address = RedisAddress.parse(f"unix://{login}@/run/my%20redis.sock?db={database}")
    connection = Connection(f"redis+{address.celery_url}")
    assert connection.transport_cls == "redis"
    scheme, _, _, *login_found, path, query = url_to_parts(str(connection.hostname))
    assert (scheme, login_found, path) == ("socket", [user, password], "run/my redis.sock")
    assert query == {"virtual_host": str(database)}
