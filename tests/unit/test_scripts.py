"""The scripts: how they are put together, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from producer.backend import scripts
from producer.backend.scripts import ScriptError
from producer.contract.stages import Stage
from tests.support.lua_lint import check_heads


def make(folder: Path, commands: dict[str, str], includes: dict[str, str]) -> Path:
    for kind, files in (("commands", commands), ("includes", includes)):
        (folder / kind).mkdir()
        for name, text in files.items():
            (folder / kind / f"{name}.lua").write_text(text)
    return folder


CLOCK = "local function now() return redis.call('TIME')[1] end\n"
LEASES = "--- @include clock\nlocal function due() return now() end\n"


def test_an_include_comes_once_and_after_what_it_needs(tmp_path: Path) -> None:
    command = (
        "--- Look.\n--- @include leases\n--- @include clock\n--- @arg id string: the entry\n"
        "return {due(), now(), args.id}\n"
    )
    folder = make(tmp_path, {"look": command}, {"clock": CLOCK, "leases": LEASES})

    script = scripts.load("look", folder)

    assert script.source.count("local function now()") == 1
    assert script.source.index("function now()") < script.source.index("function due()")
    assert script.source.index("function due()") < script.source.index("return {due()")
    assert script.arguments == {"id"}


@pytest.mark.parametrize(
    ("command", "includes", "sentence"),
    [
        ("--- @include clock\nreturn now()\n", {}, "There is no includes/clock.lua."),
        (
            "--- @include one\nreturn one()\n",
            {
                "one": "--- @include two\nlocal function one() return two() end\n",
                "two": "--- @include one\nlocal function two() return one() end\n",
            },
            "in a circle: one > two > one",
        ),
    ],
)
def test_what_cannot_be_put_together_says_why(
    tmp_path: Path, command: str, includes: dict[str, str], sentence: str
) -> None:
    folder = make(tmp_path, {"look": command}, includes)

    with pytest.raises(ScriptError, match=r".") as error:
        scripts.load("look", folder)

    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("--- @include clock\nreturn 1\n", "includes clock and uses nothing of it"),
        (
            "--- @include leases\nreturn {due(), now()}\n",
            "uses now and does not include clock",
        ),
        ("--- @arg id string: the entry\nreturn 1\n", "the head has the arguments ['id']"),
        ("return args.id\n", "the head has the arguments []"),
        ("--- @arg id: the entry\nreturn args.id\n", "the head has the arguments []"),
    ],
)
def test_a_head_says_what_the_body_uses(tmp_path: Path, command: str, sentence: str) -> None:
    folder = make(tmp_path, {"look": command}, {"clock": CLOCK, "leases": LEASES})

    (finding,) = check_heads(scripts.load("look", folder))

    assert sentence in str(finding)


@pytest.mark.parametrize("name", scripts.names())
def test_every_command_can_be_put_together_and_says_what_it_does(name: str) -> None:
    assert check_heads(scripts.load(name)) == []
    head = (scripts.LUA / "commands" / f"{name}.lua").read_text(encoding="utf-8").split("\n")

    assert head[0].startswith("--- ")
    assert head[0].endswith((".", ",", ";")) or head[1].startswith("--- ")
    assert "_" in name, "verb_noun"


def test_every_include_is_used() -> None:
    used = "".join(
        each.read_text(encoding="utf-8")
        for kind in ("commands", "includes")
        for each in (scripts.LUA / kind).iterdir()
    )
    for each in (scripts.LUA / "includes").iterdir():
        assert f"--- @include {each.name.removesuffix('.lua')}\n" in used


def test_no_script_names_a_stage() -> None:
    """What differs between stages comes as data; which stage a state is at is in the contract."""
    words = "|".join(Stage)
    for kind in ("commands", "includes"):
        for each in (scripts.LUA / kind).iterdir():
            code = scripts.without_comments(each.read_text(encoding="utf-8"))
            named = set(re.findall(rf"'({words})'|\[?(?:LISTS|TASKS|QUEUES)\.({words})", code))
            assert not named, each


def test_no_file_spells_a_key_or_a_queue() -> None:
    for kind in ("commands", "includes"):
        for each in (scripts.LUA / kind).iterdir():
            code = scripts.without_comments(each.read_text(encoding="utf-8"))
            assert not {"transcribe:", "transcription."} & set(re.findall(r"\w+[:.]", code)), each
