"""docs/explanation/glossary.md and the code agree."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.guides import code

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs/explanation/glossary.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in GLOSSARY.read_text().splitlines()
    if re.match(r"\| (?!word )", line)
]
WORDS = [row[0] for row in ROWS]
#: Words with which every reader of the code or the log meets the schedule.
NEEDED = """
    adopt, attempt, backoff factor, cold shutdown, concurrency limit, dead letter,
    dispatch, entry, fail overdue, fair queue, fencing token, hint, inbox, ingress, isolation,
    job, lease, local AWS emulator, poison pill, prune, rate limiter, recover, result document,
    retry delay, slot, snapshot, snooze, stage, stalled, token, virtual time, warm shutdown, weight
"""


@cache
def _everything_else() -> str:
    """Code and documents, in one case, with names as words."""
    files = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for product in ("producer", "worker", "localaws"):
        files += [each for each in (ROOT / product).rglob("*") if each.suffix in {".py", ".lua"}]
    texts = [each.read_text() for each in files if each != GLOSSARY]
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", "\n".join(texts))
    return re.sub(r"[\s_\-#]+", " ", text).lower()


def test_every_word_that_is_needed_is_defined_once() -> None:
    assert {each.strip() for each in NEEDED.replace("\n", " ").split(",")} <= set(WORDS)
    assert len(WORDS) == len(set(WORDS))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_definition_says_where_and_what(row: list[str]) -> None:
    _, where, meaning = row
    (path,) = code(where)
    assert (ROOT / path).is_file()
    assert meaning.endswith(".")


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_in_use(word: str) -> None:
    assert re.search(rf"\b{word.lower()}", _everything_else())
