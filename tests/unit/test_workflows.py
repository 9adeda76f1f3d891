"""The files of .github/: as their schemas want them, and they run what `.ci/run` runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from tests.support.schemas import check_schema

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github/workflows/ci.yml"


def test_the_workflow_is_as_its_schema_wants_it() -> None:
    checked = check_schema(WORKFLOW, "github-workflows")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_schema_would_find_a_misspelt_key(tmp_path: Path) -> None:
    wrong = tmp_path / "ci.yml"
    wrong.write_text(WORKFLOW.read_text().replace("timeout-minutes", "timeout-minuts"))
    assert check_schema(wrong, "github-workflows").returncode != 0


def test_every_python_that_the_package_is_for_is_tested() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    pythons = jobs["all"]["strategy"]["matrix"]["python"]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    assert f'requires-python = ">={pythons[0]}"' in (ROOT / "pyproject.toml").read_text()
    assert any(step.get("run") == ".ci/run" for step in jobs["all"]["steps"])


def test_coverage_has_a_floor_which_the_workflow_checks() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]
    assert settings["report"]["fail_under"] >= 82
    assert settings["run"]["source"] == ["producer", "worker", "localaws"]
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert {"run": "make coverage"} in jobs["coverage"]["steps"]
    recipe = (ROOT / "Makefile").read_text().partition("\ncoverage:")[2].partition("\n\n")[0]
    assert [line.split()[1] for line in recipe.splitlines()[1:]] == [
        *("erase", "run", "combine", "report"),
    ]


def test_what_a_commit_runs_is_what_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    lint = re.search(r"^lint:.*?\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert lint is not None
    for hook in hooks:
        program = hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude")
        assert program in lint[1]
