"""The poll of running jobs comes as often as it may matter, and costs no call more."""

from __future__ import annotations

import pytest

from producer.backend.running import Snapshot
from worker.account.poll_interval import ask_by_name, poll_interval


def snapshot(
    running: int = 250,
    youngest: float = 0,
    quickest: float = 0,
    pages: int = 3,
    list_rate: float = 5,
    *,
    is_shared: bool = False,
) -> Snapshot:
    jobs = {f"job-{number}": f"job-{number}" for number in range(running)}
    return Snapshot(0.0, jobs, youngest, quickest, pages, list_rate, is_shared)


def seconds(seen: Snapshot, *, shortest: float = 0.8) -> float:
    return poll_interval(seen, shortest=shortest)


def test_three_pages_of_running_jobs_use_three_fifths_of_the_list_calls() -> None:
    assert seconds(snapshot()) == pytest.approx(1.0)
    assert seconds(snapshot(running=80, pages=1)) == 0.8


def test_a_list_full_of_other_peoples_jobs_is_polled_less_often() -> None:
    assert seconds(snapshot(pages=30)) == pytest.approx(10)


def test_a_higher_quota_is_used_as_far_as_the_settings_say() -> None:
    assert seconds(snapshot(list_rate=50)) == 0.8
    assert seconds(snapshot(list_rate=50), shortest=0.2) == 0.2


def test_what_has_lasted_long_is_polled_seldom() -> None:
    assert seconds(snapshot(running=1, youngest=30)) == 0.8
    assert seconds(snapshot(running=1, youngest=300)) == pytest.approx(6)
    assert seconds(snapshot(running=1, youngest=7200)) == 15


def test_long_recordings_are_polled_seldom_also_while_new_ones_are_started() -> None:
    assert seconds(snapshot(quickest=1800)) == 15
    assert seconds(snapshot(quickest=20)) == pytest.approx(1.0)


def test_a_configured_interval_above_the_maximum_applies() -> None:
    assert seconds(snapshot(), shortest=60) == 60


@pytest.mark.parametrize(
    ("running", "pages", "by_name"), [(0, 1, True), (1, 1, True), (2, 1, False), (5, 9, True)]
)
def test_jobs_are_asked_for_by_name_only_where_that_costs_no_more_calls(
    running: int, pages: int, by_name: bool
) -> None:
    assert ask_by_name(snapshot(running=running, pages=pages)) is by_name


def test_the_list_is_used_while_others_use_our_slots() -> None:
    seen = snapshot(running=25, pages=30, is_shared=True)
    assert not ask_by_name(seen)
    assert seconds(seen) == pytest.approx(10)
