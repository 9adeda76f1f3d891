"""When a recording counts as written to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.stamp import Stamp

NOW = 1_800_000_000.0


def stamp(age: float) -> Stamp:
    return Stamp(1000, round((NOW - age) * 1e9))


@pytest.mark.parametrize(
    ("age", "seen_for", "seconds"),
    [
        # Old by its own time: no wait.
        (5, 0, 0),
        (1e9, 0, 0),
        # Young: for as long as it lacks.
        (0, 0, 5),
        (4, 0, 1),
        (1, 3, 2),
        (3, 1, 2),
        # Whatever the clocks say, it was seen to stand still.
        (0, 5, 0),
        (-7200, 5, 0),
        # Written in the future: its time means nothing.
        (-1, 0, 5),
        (-7200, 0, 5),
        (-7200, 4, 1),
    ],
)
def test_it_is_waited_for_until_it_stood_still(age: float, seen_for: float, seconds: float) -> None:
    wait = stamp(age).quiet_in(5, now=NOW, seen_for=seen_for)
    assert wait == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("age", [-7200, 0, 3, 7200])
def test_without_a_quiet_period_nothing_is_waited_for(age: float) -> None:
    assert stamp(age).quiet_in(0, now=NOW, seen_for=0) == 0


def test_it_differs_after_each_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"talk")
    with path.open("r+b") as file:
        before = Stamp.of(file.fileno())
        assert Stamp.of(file.fileno()) == before
        file.write(b"TALKS")
        file.flush()
        assert Stamp.of(file.fileno()) != before
