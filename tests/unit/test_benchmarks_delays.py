"""How long jobs of `random` run."""

import statistics

import pytest

from benchmarks import delays
from localaws.errors import UsageError


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


@pytest.mark.parametrize("text", ["random", "random:0", "random:-1", "random:nan", "fixed:1"])
def test_a_length_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        delays.parse(text)
