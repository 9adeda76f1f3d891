"""Results read ahead are used once, by their own attempt, and are never too many."""

from datetime import UTC, datetime

import pytest

from worker.runtime import read_ahead
from worker.runtime.read_ahead import MAX_BYTES, Attempt, ReadAhead


def attempt(job_id: str, number: int, year: int = 2026) -> Attempt:
    return job_id, number, datetime(year, 1, 1, tzinfo=UTC)


def test_a_result_is_used_once() -> None:
    kept = ReadAhead()
    kept.keep(attempt("talk", 1), b"{}")
    assert kept.pop(attempt("talk", 1)) == b"{}"
    assert kept.pop(attempt("talk", 1)) is None


def test_another_attempt_has_another_result() -> None:
    kept = ReadAhead()
    kept.keep(attempt("talk", 1), b"{}")
    assert kept.pop(attempt("talk", 2)) is None
    assert kept.pop(attempt("talks", 1)) is None
    assert kept.pop(attempt("talk", 1, year=2027)) is None


def test_what_was_read_again_replaces_the_first() -> None:
    kept = ReadAhead()
    kept.keep(attempt("talk", 1), b"{}")
    kept.keep(attempt("talk", 1), b"[]")
    assert kept.pop(attempt("talk", 1)) == b"[]"


def test_of_too_many_the_oldest_go() -> None:
    kept = ReadAhead()
    for number in range(1000):
        kept.keep(attempt(f"job-{number}", 1), bytes(MAX_BYTES))
    left = [number for number in range(1000) if kept.pop(attempt(f"job-{number}", 1)) is not None]
    assert left == list(range(1000 - len(left), 1000))
    assert 10 < len(left) < 100


def test_what_others_have_collected_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ReadAhead()
    kept.keep(attempt("old", 1), b"{}")
    monkeypatch.setattr(read_ahead, "_KEPT_SECONDS", 0.0)
    assert kept.pop(attempt("old", 1)) is None
    kept.keep(attempt("new", 1), b"{}")
    monkeypatch.undo()
    assert kept.pop(attempt("new", 1)) is None
