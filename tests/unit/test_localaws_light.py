"""The pieces of `--light` and of jobs of random length, as values."""

from __future__ import annotations

import io
import statistics
import subprocess
import sys

import pytest

from localaws.errors import ServiceError, UsageError
from localaws.http.admin import CallCounts
from localaws.recognition import delays
from localaws.s3.aws_chunked import decoded


def test_a_jobs_length_depends_on_its_name_and_the_seed_alone() -> None:
    delay, again, other = (delays.parse(f"random:25{seed}") for seed in ("", "", ":1"))

    assert [delay(name) for name in "abc"] == [again(name) for name in "abc"]
    assert delay("a") != delay("b")
    assert delay("a") != other("a")


def test_lengths_are_exponentially_distributed_and_clipped() -> None:
    lengths = sorted(map(delays.parse("random:25"), map(str, range(20000))))

    assert statistics.fmean(lengths) == pytest.approx(25, rel=0.03)
    assert lengths[10000] == pytest.approx(25 * 0.6931, rel=0.03)
    assert (lengths[0], lengths[-1]) == (1, 160)
    # So many are shorter than 1/25 of the mean: 1 - exp(-1/25).
    assert lengths.count(1) / 20000 == pytest.approx(0.0392, rel=0.1)


def test_fixed_is_always_the_same() -> None:
    assert {delays.parse("fixed:2.5")(name) for name in "abc"} == {2.5}


@pytest.mark.parametrize(
    "text", ["random", "random:0", "random:-1", "random:nan", "fixed:1:seed", "fixed:x", "other:1"]
)
def test_a_length_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        delays.parse(text)


def test_max_per_second_is_that_of_any_second() -> None:
    clock = iter([0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 3.0, 3.5])
    counts = CallCounts(lambda: next(clock))
    for _ in range(8):
        counts.add("Start", refused=False)

    # From 0.75 to 1.5; by full seconds it would be three, and 0.5 is a second from 1.5.
    assert counts.max_per_second() == {"Start": 4}


def test_calls_are_counted_each_for_itself() -> None:
    counts = CallCounts(lambda: 0.0)
    counts.add("Start", refused=False)
    counts.add("Get", refused=True)
    counts.add_error("Get", "ThrottlingException")
    counts.add_error("Get", "ThrottlingException")

    assert counts.max_per_second() == {"Start": 1, "Get": 1}
    assert counts.snapshot()["Get"] == {"count": 1, "refused": 1}
    assert counts.errors() == {"Get": {"ThrottlingException": 2}}


def environ(body: bytes, **headers: str) -> dict[str, object]:
    return {"wsgi.input": io.BytesIO(body), **headers}


def test_a_signed_stream_is_read_without_its_signatures() -> None:
    asked = environ(
        b"3;chunk-signature=ab\r\nabc\r\nA;chunk-signature=cd\r\n0123456789\r\n"
        b"0;chunk-signature=ef\r\nx-amz-checksum-crc32:AAAA\r\n\r\n",
        HTTP_X_AMZ_CONTENT_SHA256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    )

    assert decoded(asked) == b"abc0123456789"
    assert asked["HTTP_X_AMZ_CHECKSUM_CRC32"] == "AAAA"


def test_any_other_body_is_left_as_it_is() -> None:
    assert decoded(environ(b"3\r\nabc\r\n0\r\n\r\n")) == b"3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize("body", [b"", b"3\r\nab", b"3\r\nabcd\r\n0\r\n", b"x\r\nabc\r\n"])
def test_a_stream_that_breaks_off_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceError, match="aws-chunked"):
        decoded(environ(body, HTTP_CONTENT_ENCODING="aws-chunked"))


def test_light_loads_no_moto() -> None:
    code = (
        "import sys, localaws.server;"
        "serving = localaws.server.serve(recogniser='fixed:0', light=True); serving.__enter__();"
        "serving.__exit__(None, None, None);"
        "print(sorted({'moto', 'flask', 'werkzeug'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert run.stdout.strip() == "[]"
