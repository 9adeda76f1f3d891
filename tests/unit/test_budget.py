"""A budget of bytes: never more in use than there are, and threads get them in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.waiting import until
from worker.aws.budget import Budget


def nothing() -> None:
    """The thread goes on waiting."""


def started(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def waiting(budget: Budget, number: int) -> bool:
    return len(budget._queue) == number


def test_threads_that_ask_again_and_again_alternate() -> None:
    budget, served = Budget(1), list[str]()
    budget.acquire(1, nothing)
    threads = []
    for number, name in enumerate(["a", "b", "c"], 1):

        def ask(name: str = name) -> None:
            for _ in range(3):
                budget.acquire(1, nothing)
                served.append(name)
                # The next may only go on once this one waits again, or is done.
                budget.release(1)

        threads.append(started(ask))
        until(partial(waiting, budget, number))
    # Give one byte from hand to hand: everybody is waiting when it is first given.
    budget.release(1)
    for thread in threads:
        thread.join(10)
    assert served[:3] == ["a", "b", "c"]
    assert sorted(served) == ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_a_small_request_does_not_overtake_an_older_large_one() -> None:
    budget, served = Budget(10), list[str]()
    budget.acquire(5, nothing)

    def ask(name: str, size: int) -> None:
        budget.acquire(size, nothing)
        served.append(name)

    started(lambda: ask("much", 10))
    until(lambda: len(budget._queue) == 1)
    started(lambda: ask("little", 1))
    until(lambda: len(budget._queue) == 2)
    assert served == []
    budget.release(5)
    until(lambda: served == ["much"])
    budget.release(10)
    until(lambda: served == ["much", "little"])


def test_a_wait_that_is_stopped_leaves_the_queue() -> None:
    budget = Budget(1)
    budget.acquire(1, nothing)

    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        budget.acquire(1, stop)
    budget.release(1)
    budget.acquire(1, stop)
