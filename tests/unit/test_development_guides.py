"""docs/development/: every file, command and test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.guides import code, table

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/development"
PAGES = sorted(FOLDER.glob("*.md"))
INDEX = FOLDER / "README.md"
CHANGES = [code(page)[0] for _, page in table(INDEX.read_text(), "change")]


def test_the_index_names_every_page() -> None:
    assert len(CHANGES) == 10
    others = set(re.findall(r"`([\w-]+\.md)`", INDEX.read_text())) - set(CHANGES)
    assert {*CHANGES, *others, INDEX.name} - {"CHANGELOG.md"} == {page.name for page in PAGES}


@pytest.mark.parametrize("page", CHANGES)
def test_a_change_needs_five_files_at_most(page: str) -> None:
    steps = re.findall(r"^(\d)\. ", (FOLDER / page).read_text(), re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert 1 <= len(steps) <= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_it_names_exists(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    named = re.findall(r"`([\w.-]+(?:/[\w.-]*)+|[\w-]+\.(?:md|yml))`", prose)
    assert [
        each for each in named if not (ROOT / each).exists() and not (FOLDER / each).exists()
    ] == []


@pytest.mark.parametrize("page", CHANGES)
def test_every_name_of_ours_is_in_a_file_that_it_names(page: str) -> None:
    text = (FOLDER / page).read_text()
    files = [ROOT / each for each in re.findall(r"`([\w.-]+(?:/[\w.-]+)+)`", text)]
    there = "\n".join(each.read_text() for each in files if each.is_file())
    names = re.findall(r"`(_?[a-z]+(?:[._][a-z]+)+|_?[A-Z]+(?:_[A-Z]+)+|[A-Z]\w+)`", text)
    spoken = [each.rpartition(".")[2] for each in names if not (ROOT / each).exists()]
    known = {"TRANSCRIBE_LOG_LEVEL", "job_id"}
    assert [each for each in spoken if each not in there and each not in known] == []
