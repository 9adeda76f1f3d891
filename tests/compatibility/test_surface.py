"""What a released version accepted is accepted, and what it provided is provided."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility import surface
from tests.compatibility.schemas import narrowed, opened
from tests.compatibility.versions import VERSIONS, frozen

ROOT = Path(__file__).parents[2]
each_version = pytest.mark.parametrize("released", VERSIONS)


@each_version
def test_requests_are_still_accepted(released: str) -> None:
    assert narrowed(surface.request(), frozen(released, "request")) == []


@each_version
def test_defaults_of_a_request_stay(released: str) -> None:
    """Requests are compared without the fields that have their default."""
    before, present = _defaults(frozen(released, "request")), _defaults(surface.request())
    assert {name: present.get(name) for name in before} == before


def _defaults(schema: dict[str, Any]) -> dict[str, Any]:
    parts = {"": schema, **schema["$defs"]}
    return {
        f"{part}.{name}": field["default"]
        for part, fields in parts.items()
        for name, field in fields.get("properties", {}).items()
        if "default" in field
    }


@each_version
def test_settings_are_still_accepted(released: str) -> None:
    # Else a setting that is gone would be ignored, as all variables of other programs are.
    schema = surface.settings() | {"additionalProperties": False}
    assert narrowed(schema, frozen(released, "settings")) == []


@each_version
def test_errors_still_have_their_exit_codes(released: str) -> None:
    codes = surface.exit_codes()
    assert {name: codes.get(name) for name in frozen(released, "exit_codes")} == frozen(
        released, "exit_codes"
    )


@each_version
def test_commands_and_their_options_still_exist(released: str) -> None:
    commands = surface.commands()
    for name, options in frozen(released, "commands").items():
        assert set(options) <= set(commands[name]), name


@each_version
def test_json_output_has_still_the_same_fields(released: str) -> None:
    present = surface.outputs()
    for commands, schema in frozen(released, "outputs").items():
        assert narrowed(opened(schema), present[commands]) == [], commands


@each_version
def test_tasks_queues_states_and_python_names_still_exist(released: str) -> None:
    before, present = frozen(released, "names"), surface.names()
    assert set(before["python"]) <= set(present["python"])
    assert before["tasks"].items() <= present["tasks"].items()
    assert set(before["queues"]) <= set(present["queues"])
    assert set(before["states"]) <= set(present["states"])


@each_version
def test_keys_of_redis_have_still_the_same_type(released: str) -> None:
    before, present = frozen(released, "names")["keys"], surface.names()["keys"]
    assert {name: present[name] for name in before if name in present}.items() <= before.items()
    # Programs in other languages read these.
    for documented in ("transcribe:job:<job>", "transcribe:text:<job>", "transcribe:dead_letters"):
        assert before[documented] == present[documented]


def test_the_version_is_frozen_and_in_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == version("transcribe-queue")
    assert project["version"] in VERSIONS
    text = (ROOT / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert released[0] == project["version"]
    assert released[::-1] == VERSIONS
    assert text.index("## [Unreleased]") < text.index(f"## [{released[0]}]")


#: A schema, one that must not follow it, and what is said of that.
INCOMPATIBLE: list[tuple[Any, Any, str]] = [
    ({"properties": {"a": {}}}, {"properties": {}, "additionalProperties": False}, "it.a is gone"),
    ({"properties": {"a": {}}}, {"required": ["a"]}, "it.a is not always there"),
    ({"type": "number"}, {"type": "integer"}, "it was number and is integer"),
    ({"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8}, "maxLength"),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 2}, "minimum"),
    ({"type": "integer"}, {"type": "integer", "minimum": 2}, "minimum was None"),
    ({"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}, "pattern"),
    ({"enum": ["a", "b"]}, {"enum": ["a"]}, "no longer has all of"),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string"}, "it was null"),
    ({"type": "array", "items": {}}, {"type": "array", "items": {"type": "string"}}, "it[]"),
    (
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
        {"$ref": "#/$defs/B", "$defs": {"B": {"type": "null"}}},
        "it was string and is null",
    ),
]


@pytest.mark.parametrize(("before", "after", "said"), INCOMPATIBLE)
def test_what_is_not_compatible_is_found(before: Any, after: Any, said: str) -> None:
    assert narrowed(before, before) == []
    (difference,) = narrowed(after, before)
    assert said in difference


def test_what_is_new_is_compatible() -> None:
    before = {"properties": {"a": {"enum": ["x"]}}, "additionalProperties": False}
    after = {"properties": {"a": {"enum": ["x", "y"]}, "b": {}}, "additionalProperties": False}
    assert narrowed(after, before) == []
    assert narrowed(opened({"properties": {"a": {}}, "additionalProperties": False}), after) == []
