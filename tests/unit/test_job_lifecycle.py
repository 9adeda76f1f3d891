"""docs/explanation/job-lifecycle.md shows the states and moves that the code has."""

from __future__ import annotations

from producer.contract.job import TRANSITIONS, JobState
from tests.support.guides import code, table
from tests.support.lifecycle import PAGE, diagram, with_diagram


def test_the_diagram_is_drawn_from_the_code() -> None:
    page = PAGE.read_text()
    assert page.count(diagram()) == 1, "run: python -m tests.support.lifecycle"
    assert with_diagram(page) == page


def test_every_state_has_a_row_of_moves() -> None:
    """An empty one will do: a script that finds none for a job's state breaks off."""
    assert list(TRANSITIONS) == list(JobState)


def test_every_state_is_explained() -> None:
    rows = table(PAGE.read_text(), "state")
    assert [code(name)[0] for name, _ in rows] == list(JobState)


def test_the_moves_that_are_explained_are_all_that_do_not_lead_ahead() -> None:
    rows = table(PAGE.read_text(), "move")
    explained = {tuple(code(move)) for move, _ in rows}
    order = list(JobState)
    back = {
        (one.value, to.value)
        for one, allowed in TRANSITIONS.items()
        for to in allowed
        if order.index(to) < order.index(one)
    }
    assert explained == back
