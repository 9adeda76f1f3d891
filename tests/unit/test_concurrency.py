"""Large work beyond a concurrency limit tries again: fairly, and never all at once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

from producer.contract.stages import Stage
from worker.errors import LimitReached
from worker.runtime.concurrency import ConcurrencyLimit, NextTries
from worker.tasks import HANDLERS

#: Tries a second of all that wait for a limit of one process, as docs/scaling.md has it.
TRIES_A_SECOND = 10
#: Jobs as (tenant, priority, weight).
Who = tuple[str, int, float]
BULK: Who = ("bulk", 5, 1.0)
CLINIC: Who = ("clinic", 5, 1.0)


def tries(waiting: Iterable[Who], seconds: float) -> list[tuple[float, Who]]:
    """When whose work tries again within some seconds, if none of it ever gets the limit."""
    found, after = [], NextTries()
    due = [(after.add(*who, now=0.0), number, who) for number, who in enumerate(waiting)]
    heapq.heapify(due)
    while due[0][0] < seconds:
        at, number, who = due[0]
        found.append((at, who))
        heapq.heapreplace(due, (at + after.add(*who, now=at), number, who))
    return found


def tries_of(waiting: Iterable[Who], seconds: float) -> Counter[str]:
    return Counter(tenant for _, (tenant, _, _) in tries(waiting, seconds))


@pytest.mark.parametrize("bulk", [1, 30, 1000])
def test_one_tries_soon_and_as_often_as_all_of_another_tenant(bulk: int) -> None:
    after = NextTries()
    for _ in range(bulk):
        after.add(*BULK, now=0.0)
    assert after.add(*CLINIC, now=0.0) <= 3 / TRIES_A_SECOND
    # Again and again, while those of the other come one after the other. It comes a third of the
    # time while they still come as they would without it, and half of the time from then on.
    count = tries_of([BULK] * bulk + [CLINIC], 100)
    assert count["clinic"] > 0.25 * count.total()


def test_tenants_try_as_often_as_their_weights_say() -> None:
    waiting: list[Who] = [("alice", 5, 3.0)] * 50 + [("bob", 5, 1.0)] * 100 + [("", 5, 1.0)]
    count = tries_of(waiting, 500)
    assert count["alice"] == pytest.approx(3 * count["bob"], rel=0.2)
    assert count[""] == pytest.approx(count["bob"], rel=0.2)


def test_an_urgent_one_tries_as_often_as_all_others_of_its_tenant() -> None:
    urgent: Who = ("bulk", 0, 1.0)
    found = Counter(who for _, who in tries([BULK] * 100 + [urgent, CLINIC], 200))
    assert found[urgent] > 0.15 * found.total()
    # And its tenant gains nothing by it.
    assert found[CLINIC] > 0.35 * found.total()


@pytest.mark.parametrize(("tenants", "each"), [(1, 1), (1, 1000), (20, 1), (20, 50)])
def test_so_many_try_a_second_however_many_wait(tenants: int, each: int) -> None:
    waiting: list[Who] = [(f"tenant-{number}", 5, 1.0) for number in range(tenants)] * each
    found = tries(waiting, 100)
    assert len(found) < 1.5 * 100 * TRIES_A_SECOND
    # Nor do those come together that were turned away together.
    assert len({at for at, _ in found}) == len(found)


def test_who_waits_no_more_delays_nobody() -> None:
    after = NextTries()
    for number in range(100):
        after.add(f"tenant-{number}", 5, 1.0, now=0.0)
    assert after.add(*CLINIC, now=1000.0) < 2 / TRIES_A_SECOND


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (4, 1), (16, 4)])
def test_large_uploads_have_a_quarter_of_the_threads(concurrency: int, most: int) -> None:
    assert HANDLERS[Stage.UPLOAD].max_large(concurrency) == most
    limit = ConcurrencyLimit(most)
    with ExitStack() as works:
        for _ in range(most):
            works.enter_context(limit.acquired("", 5))
        with pytest.raises(LimitReached) as error, limit.acquired("", 5):
            pass
        assert error.value.seconds > 0
    with limit.acquired("", 5):
        pass


def test_work_that_fails_counts_no_more() -> None:
    limit = ConcurrencyLimit(1)
    with pytest.raises(ZeroDivisionError), limit.acquired("", 5):
        raise ZeroDivisionError
    with limit.acquired("", 5):
        pass
