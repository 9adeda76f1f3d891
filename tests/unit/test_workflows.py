"""The files of .github/: as their schemas want them, and they run what `.ci/run` runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.waiting import DEADLINE

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github/workflows/ci.yml"


@pytest.mark.parametrize(
    ("schema", "file"),
    [("vendor.github-workflows", WORKFLOW)],
    ids=lambda each: Path(each).name,
)
def test_the_file_is_as_its_schema_wants_it(schema: str, file: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_every_python_that_the_package_is_for_is_tested() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    pythons = jobs["all"]["strategy"]["matrix"]["python"]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    assert f'requires-python = ">={pythons[0]}"' in (ROOT / "pyproject.toml").read_text()
    assert any(step.get("run") == ".ci/run" for step in jobs["all"]["steps"])


def test_what_a_commit_runs_is_what_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    lint = re.search(r"^lint:.*?\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert lint is not None
    for hook in hooks:
        program = hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude")
        assert program in lint[1]
