"""The guide for people who come from the script says what the code does."""

from __future__ import annotations

import ast
import re
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from producer.cli.program import transcribe
from producer.client import Client
from producer.legacy_env_file import read_request
from producer.transcript.segments import AlternativeSegment, SegmentReading
from producer.transcript.transcript import Transcript
from tests.support.guides import blocks, code, commands_of, parse, table
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/coming-from-the-script.md").read_text()
(SETTINGS,) = blocks("text", GUIDE)


def test_the_readme_leads_to_it() -> None:
    assert "docs/guides/coming-from-the-script.md" in (ROOT / "README.md").read_text()


def test_every_command_parses() -> None:
    found = commands_of("transcribe", GUIDE)
    assert {words[0] for words in found} >= {"local", "policy", "submit", "result", "retry"}
    for words in found:
        parse(words)
    assert commands_of("celery", GUIDE) == [["-A", "worker", "worker"]]


def test_commands_options_and_settings_in_the_text_exist() -> None:
    for line in re.findall(r"`transcribe ([^`]+)`", GUIDE):
        assert line.split()[0] in transcribe.commands
    options = {
        name
        for command in transcribe.commands.values()
        for each in command.params
        for name in each.opts
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", GUIDE)) <= options
    known = {f"TRANSCRIBE_{name.upper()}" for name in WorkerSettings.model_fields}
    assert set(re.findall(r"TRANSCRIBE_[A-Z_]+", GUIDE)) <= known


def test_every_key_of_the_settings_file_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {name for cell, *_ in table(GUIDE, "in the file") for name in code(cell)}
    assert keys == set(dotenv_values(stream=StringIO(SETTINGS)))
    # And each that is shown is read by one side or the other.
    file = tmp_path / "transcribe.env"
    file.write_text(SETTINGS)
    assert read_request(file) == {
        "audio": "hello-world.m4a",
        "key": "path/in/bucket",
        "name": "hello-world",
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSCRIBE_ENV_FILE", str(file))
    settings = WorkerSettings.load()
    assert (settings.bucket, settings.poll_interval) == ("my-recordings", 5)


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    documented = [cell for cell, _ in table(GUIDE, "exit code")]
    assert documented == [
        each
        for each in re.findall(r"^  (\d+) ", str(transcribe.epilog), re.MULTILINE)
        if each != "130"
    ]
    assert "exit code 130" in GUIDE


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("client", Client),
        ("transcript", Transcript),
        ("segment", AlternativeSegment),
        ("reading", SegmentReading),
    ],
)
def test_the_python_example_uses_what_there_is(value: str, kind: type) -> None:
    (example,) = blocks("python", GUIDE)
    used = {
        node.attr
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == value
    }
    assert used
    assert used <= set(dir(kind))
