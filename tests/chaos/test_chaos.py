"""A short storm with a seed that never changes; `make chaos` runs longer ones."""

from __future__ import annotations

import pytest

from tests.chaos.audit import Audit
from tests.chaos.plan import plan
from tests.chaos.storm import Storm
from tests.support.stack import Stack


def test_a_seed_decides_everything() -> None:
    assert plan(3, 300, 12) == plan(3, 300, 12)
    assert plan(3, 300, 12) != plan(4, 300, 12)


@pytest.mark.timeout(400)
def test_nothing_is_lost_doubled_or_left_in_a_storm(stack: Stack) -> None:
    storm = Storm(stack, plan(seed=1, jobs=300, blows=9), lease=2.0, report=print)
    storm.blow()
    wrong = {row.question: row.wrong for row in Audit(storm).rows() if row.wrong}
    assert wrong == {}
