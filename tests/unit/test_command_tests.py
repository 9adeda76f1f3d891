"""Each command in Lua has an integration test that names it, and no test names one that is gone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from producer.backend import scripts

INTEGRATION = Path(__file__).parents[1] / "integration"


def named(file: Path) -> Iterator[str]:
    """The commands that the tests of a file are marked with."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.command":
                    yield from (ast.literal_eval(argument) for argument in call.args)


def test_each_command_has_an_integration_test() -> None:
    # `commands_run` in conftest.py sees that a marked test really runs its commands.
    found = {name for file in INTEGRATION.glob("test_*.py") for name in named(file)}
    assert found == set(scripts.names())
