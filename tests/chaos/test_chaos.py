"""Short storms with seeds that never change; `make chaos` runs longer ones."""

from __future__ import annotations

import pytest

from tests.chaos.audit import Audit
from tests.chaos.plan import plan
from tests.chaos.storm import Storm
from tests.support.stack import Stack


def test_a_seed_decides_everything() -> None:
    assert plan(3, 300, 12) == plan(3, 300, 12)
    assert plan(3, 300, 12) != plan(4, 300, 12)


# Each kind of blow falls in nine.
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seed", "jobs"),
    [
        pytest.param(1, 150, marks=pytest.mark.long),
        pytest.param(2, 300, marks=pytest.mark.soak),
        pytest.param(3, 300, marks=pytest.mark.soak),
    ],
)
def test_nothing_is_lost_doubled_or_left_in_a_storm(stack: Stack, seed: int, jobs: int) -> None:
    storm = Storm(stack, plan(seed, jobs=jobs, blows=9), lease=2.0, report=print)
    storm.blow()
    wrong = {row.question: row.wrong for row in Audit(storm).rows() if row.wrong}
    assert wrong == {}
