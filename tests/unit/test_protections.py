"""docs/explanation/reliability.md, the catalogue of protections and the code agree."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from producer.backend import scripts
from tests.protections.catalogue import PROTECTIONS, Protection
from tests.support.proofs import anchor, promises, rows

ROOT = Path(__file__).parents[2]


def test_each_fault_names_a_promise_and_a_test_of_the_catalogue() -> None:
    faults = rows()
    assert {row.promise for row in faults} == set(promises())
    assert {row.anchor for row in faults} == {anchor(each.test) for each in PROTECTIONS}
    assert len(promises()) == 12


def test_a_test_proves_one_promise() -> None:
    """Else the page of proofs would list it in one place and a row would name another."""
    assert len({(row.anchor, row.promise) for row in rows()}) == len({row.anchor for row in rows()})


def test_no_two_tests_have_the_same_address() -> None:
    tests = {each.test for each in PROTECTIONS}
    assert len({anchor(test) for test in tests}) == len(tests)


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
