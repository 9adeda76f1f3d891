"""docs/reference/log-events.md names every event that a worker logs, at its level, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception"}
#: a noun and a verb, or what the noun is
EVENT = re.compile(r"[a-z]+\.[a-z_]+")


def logged(source: str) -> set[tuple[str, str]]:
    """Each event that a file logs, with its level."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=method), args=[event, *_]
            ) if method in LEVELS:
                assert isinstance(event, ast.Constant), ast.unparse(node)
                level = "error" if method == "exception" else method
                found.add((str(event.value), level))
    return found


def documented() -> list[tuple[str, str]]:
    page = (ROOT / "docs" / "reference" / "log-events.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)` \| (\w+) \| .+ \| .+ \|$", page, re.MULTILINE)


def test_every_event_is_documented_once() -> None:
    files = sorted((ROOT / "worker").rglob("*.py"))
    events = set().union(*(logged(path.read_text(encoding="utf-8")) for path in files))
    assert len(events) > 50
    assert sorted(documented()) == sorted(events)


def test_every_event_is_a_fixed_short_name() -> None:
    assert [event for event, _ in documented() if not EVENT.fullmatch(event)] == []


def test_it_sees_levels_and_calls() -> None:
    source = 'log.info("a.b", c=1)\nlog.exception("d.e")'
    assert logged(source) == {("a.b", "info"), ("d.e", "error")}
