"""A budget of bytes: never more in use than there are, and who came first is served first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.waiting import until
from worker.aws.budget import Budget


def nothing() -> None:
    """Whoever waits goes on waiting."""


def started(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def waiting(budget: Budget, number: int) -> bool:
    return len(budget._line) == number


def test_those_who_ask_again_and_again_take_turns() -> None:
    budget, served = Budget(1), list[str]()
    budget.take(1, nothing)
    threads = []
    for number, name in enumerate(["a", "b", "c"], 1):

        def ask(name: str = name) -> None:
            for _ in range(3):
                budget.take(1, nothing)
                served.append(name)
                # The next may only go on once this one waits again, or is done.
                budget.give(1)

        threads.append(started(ask))
        until(partial(waiting, budget, number))
    # Give one byte from hand to hand: everybody is waiting when it is first given.
    budget.give(1)
    for thread in threads:
        thread.join(10)
    assert served[:3] == ["a", "b", "c"]
    assert sorted(served) == ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_who_needs_little_does_not_overtake_who_came_first() -> None:
    budget, served = Budget(10), list[str]()
    budget.take(5, nothing)

    def ask(name: str, size: int) -> None:
        budget.take(size, nothing)
        served.append(name)

    started(lambda: ask("much", 10))
    until(lambda: len(budget._line) == 1)
    started(lambda: ask("little", 1))
    until(lambda: len(budget._line) == 2)
    assert served == []
    budget.give(5)
    until(lambda: served == ["much"])
    budget.give(10)
    until(lambda: served == ["much", "little"])


def test_who_shall_not_wait_any_more_leaves_the_line() -> None:
    budget = Budget(1)
    budget.take(1, nothing)

    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        budget.take(1, stop)
    budget.give(1)
    budget.take(1, stop)
