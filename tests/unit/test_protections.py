"""docs/explanation/reliability.md, the catalogue of protections and the code agree."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest

from producer.backend import scripts
from tests.protections.catalogue import PROTECTIONS, Protection

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs/explanation/reliability.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| fault |")
]


@pytest.mark.parametrize("row", ROWS)
def test_each_row_says_all_and_names_a_test(row: str) -> None:
    fault, _seen, promise, test = (cell.strip() for cell in row.strip("|").split(" | "))
    assert fault
    assert promise
    assert re.fullmatch(r"`tests/\S+::test_\S+`", test)


def test_what_is_promised_is_what_is_proved() -> None:
    promised = [row.rpartition("`tests/")[2].strip("` |") for row in ROWS]
    proved = [each.test.removeprefix("tests/") for each in PROTECTIONS]
    assert sorted(set(promised)) == sorted(set(proved))


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda each: each.test.rpartition("::")[2])
def test_each_protection_is_there_and_so_is_its_test(protection: Protection) -> None:
    code = (ROOT / protection.file).read_text()
    assert protection.guard_removed(code) != code
    file, _, test = protection.test.partition("::")
    functions = {
        node.name
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert test.partition("[")[0] in functions


LUA = "producer/backend/lua/"


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda each: each.test.rpartition("::")[2])
def test_code_without_its_protection_still_runs(protection: Protection, tmp_path: Path) -> None:
    """Else its test would fail with any other, and show nothing."""
    if not protection.file.startswith(LUA):
        ast.parse(protection.guard_removed((ROOT / protection.file).read_text()))
        return
    folder = tmp_path / "lua"
    shutil.copytree(ROOT / LUA, folder)
    file = folder / protection.file.removeprefix(LUA)
    file.write_text(protection.guard_removed(file.read_text()))
    for name in scripts.names(folder):
        scripts.load(name, folder)
