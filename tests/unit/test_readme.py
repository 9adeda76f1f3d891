"""The README says what the code does: settings, commands, exit codes, messages, names of files."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import shlex
import signal
import subprocess
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from kombu.transport.virtual import Message

import producer
from producer import Client, Job, Transcript, errors
from producer.cli.commands.policy import worker_policy
from producer.cli.main import transcribe
from producer.contract.job import JobState
from producer.contract.request import TranscriptionRequest
from producer.contract.stages import QUEUES, Stage
from producer.settings import ProducerSettings
from producer.transcript.words import Word
from tests.support.guides import blocks, code, commands_of, parse, table
from tests.support.waiting import DEADLINE
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SECTIONS = [
    "Thirty seconds",
    "With AWS",
    "From a shell",
    "From Python",
    "From another language",
    "How it works",
    "Configuration",
    "Running it",
    "Development",
    "Benchmarks",
    "Where to change what",
]


def _section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _blocks(language: str, text: str = README) -> list[str]:
    return blocks(language, text)


def _table(section: str, first_column: str) -> list[list[str]]:
    return table(_section(section), first_column)


def _commands_of(program: str) -> list[list[str]]:
    return commands_of(program, README)


def test_sections_are_in_order() -> None:
    assert re.findall(r"^## (.*)$", README, re.MULTILINE) == SECTIONS


def test_it_opens_with_one_sentence() -> None:
    title, sentence, *_ = README.split("\n\n")
    assert title == "# transcribe-queue"
    assert re.findall(r"[.!?](?:\s|$)", sentence) == ["."]


# -- settings --------------------------------------------------------------------------------------


def _shown(default: object) -> str:
    if default in (None, "", {}, ()):
        return ""
    if isinstance(default, tuple):
        return f"`{os.pathsep.join(map(str, default))}`"
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    return f"`{default}`"


def test_the_configuration_table_is_the_settings() -> None:
    settings = [
        [f"`TRANSCRIBE_{name.upper()}`", _shown(field.default), field.description]
        for name, field in WorkerSettings.model_fields.items()
    ]
    assert _table("Configuration", "variable") == settings


def test_the_producers_settings_come_first() -> None:
    assert len(ProducerSettings.model_fields) == 4, "the text says four"
    assert list(WorkerSettings.model_fields)[:4] == list(ProducerSettings.model_fields)


def test_every_setting_that_is_named_anywhere_exists() -> None:
    known = {f"TRANSCRIBE_{name.upper()}" for name in WorkerSettings.model_fields}
    assert set(re.findall(r"TRANSCRIBE_[A-Z_]+", README)) == known


def test_the_original_scripts_names_are_all_there() -> None:
    rows = _table("Configuration", "in the file")
    names = {name: who for cell, who, _ in rows for name in code(cell)}
    assert names == {
        "LOCAL_AUDIO": "producer",
        "S3_OBJECT": "producer",
        "TRANSCRIPTION_JOB": "producer",
        "AWS_ACCESS_KEY": "worker",
        "AWS_SECRET_KEY": "worker",
        "AWS_REGION": "worker",
        "S3_BUCKET": "worker",
        "SLEEP_TIME": "worker",
    }
    readers = {
        "producer": (ROOT / "producer/legacy_env_file.py").read_text(),
        "worker": (ROOT / "worker/legacy_env_file.py").read_text(),
    }
    for name, who in names.items():
        assert f'"{name}"' in readers[who]


# -- commands --------------------------------------------------------------------------------------


def test_the_table_of_commands_is_exact() -> None:
    rows = {
        code(name)[0]: set(code(options)) for name, _, options in _table("From a shell", "command")
    }
    assert rows == {
        name: {
            option
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for option in parameter.opts
        }
        for name, command in transcribe.commands.items()
    }


@pytest.mark.parametrize("name", transcribe.commands)
def test_help_carries_examples_that_exist(name: str) -> None:
    text = CliRunner().invoke(transcribe, [name, "--help"], terminal_width=200).output
    assert "Examples:" in text
    examples = text.split("Examples:")[1].split("Options:")[0].replace("\\\n", " ")
    found = re.findall(r"\btranscribe (\w+)\b(.*)", examples)
    assert name in {command for command, _ in found}
    for command, rest in found:
        # A file that is written to, or the bracket of a `$(...)`, is the shell's.
        parse([command, *shlex.split(rest.partition(" > ")[0].partition("$(")[0].rstrip(")"))])


def test_commands_in_the_readme_exist() -> None:
    found = _commands_of("transcribe")
    assert {words[0] for words in found} >= {
        *("submit", "status", "wait", "result", "list", "cancel", "retry", "local", "doctor"),
        "schema",
    }
    for words in found:
        parse(words)


def test_commands_named_in_the_text_exist() -> None:
    for line in re.findall(r"`transcribe ([^`]+)`", README):
        assert line.split()[0] in transcribe.commands


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {words[0] for words in _commands_of("make")}
    assert {"demo", "test", "lint"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_workers_in_the_readme_serve_every_queue_between_them() -> None:
    served = []
    for words in _commands_of("celery"):
        assert words[:3] == ["-A", "worker", "worker"]
        if "-Q" in words:
            served += words[words.index("-Q") + 1].split(",")
    assert sorted(served) == sorted(QUEUES)


def test_compose_profiles_and_services_exist() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", ())}
    commands = _commands_of("docker")
    assert commands
    for words in commands:
        assert words[0] == "compose"
        named = dict(pairwise(words))
        if "--profile" in named:
            assert named["--profile"] in profiles
        if "--scale" in named:
            assert named["--scale"].partition("=")[0] in services
        if "--env-file" in named:
            assert (ROOT / named["--env-file"]).is_file()


def test_the_exit_codes_are_the_errors() -> None:
    rows = _table("From a shell", "exit code")
    documented = {name: int(number) for number, _, names in rows for name in code(names)}
    classes = [errors.TranscribeQueueError]
    for kind in classes:
        classes += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]
    assert documented == {kind.__name__: kind.exit_code for kind in classes[1:]}
    signals = {128 + signal.SIGINT, 128 + signal.SIGPIPE}
    assert [int(number) for number, _, _ in rows] == sorted({0, *documented.values(), *signals})
    # And the help says the same.
    in_help = re.findall(r"^  (\d+) +(.*)$", str(transcribe.epilog), re.MULTILINE)
    assert [(number, text.split(";")[0].replace("`", "")) for number, text, _ in rows] == in_help


# -- AWS, Python, other languages ------------------------------------------------------------------


def test_the_policy_is_what_the_command_prints() -> None:
    (block,) = _blocks("json", _section("With AWS"))
    assert json.loads(block) == worker_policy("my-recordings")


def test_the_python_example_uses_what_there_is() -> None:
    (example,) = _blocks("python")
    tree = ast.parse(example)
    fields: dict[str, set[str]] = {
        "client": set(dir(Client)),
        "job": set(dir(Job)) | set(Job.model_fields),
        "transcript": set(dir(Transcript)),
        "word": set(dir(Word)),
        "JobState": set(dir(JobState)),
    }
    used = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert [(name, attr) for name, attr in used if attr not in fields[name]] == []
    assert {"submit", "submit_many", "wait", "as_completed", "result", "text"} <= {
        attr for name, attr in used if name == "client"
    }
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {alias.name for node in imported for alias in node.names} <= set(producer.__all__)


def _read_as_a_worker_does(message: dict[str, Any]) -> TranscriptionRequest:
    """Kombu's decoding, and what Celery's strategy and our task look for."""
    # The transport takes the tag and the base64 body from `properties`; nothing else is asked.
    channel = SimpleNamespace(decode_body=lambda body, _: base64.b64decode(body))
    received = Message(message, channel=channel, accept={"application/json"})
    assert received.headers["task"] == Stage.SUBMIT.task
    assert received.headers["id"] == received.delivery_tag
    assert received.delivery_info == {"exchange": "", "routing_key": Stage.START.queue}
    (request,), keywords, embedded = received.decode()
    assert keywords == embedded == {}
    return TranscriptionRequest.parse(request)


def test_the_message_of_another_language_is_what_a_worker_reads() -> None:
    (block,) = _blocks("json", _section("From another language"))
    request = _read_as_a_worker_does(json.loads(block))
    assert request == TranscriptionRequest(audio="/audio/hello-world.m4a", name="from-anywhere")


def test_the_shell_lines_push_that_message(tmp_path: Path) -> None:
    pushed = tmp_path / "pushed"
    stub = tmp_path / "redis-cli"
    stub.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$1" "$2" > "{pushed}"; printf %s "$3" >> "{pushed}"\n'
    )
    stub.chmod(0o755)
    (script,) = _blocks("sh", _section("From another language"))
    subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        timeout=DEADLINE,
    )
    command, queue, message = pushed.read_text().split("\n", 2)
    assert (command, queue) == ("LPUSH", Stage.START.queue)
    (block,) = _blocks("json", _section("From another language"))
    # The same message, but for its own UUID.
    shown, sent = json.loads(block), json.loads(message)
    assert sent["headers"]["id"] != shown["headers"]["id"]
    assert _read_as_a_worker_does(sent) == _read_as_a_worker_does(shown)
    assert json.loads(base64.b64decode(sent["body"])) == json.loads(base64.b64decode(shown["body"]))


# -- the rest --------------------------------------------------------------------------------------


def test_every_state_and_stage_is_in_the_pictures() -> None:
    pictures = "\n".join(_blocks("text", _section("How it works")))
    assert set(re.findall(r"[A-Z]{5,}", pictures)) == set(JobState)
    assert {stage for stage in Stage if stage.value not in pictures} == set()


def test_the_demo_shows_every_sample() -> None:
    (output,) = _blocks("text", _section("Thirty seconds"))
    recordings = [
        each for each in (ROOT / "samples").iterdir() if each.suffix in {".m4a", ".mp3", ".wav"}
    ]
    assert all(f"\n{each.stem}-" in output for each in recordings)
    assert "four short recordings" in README
    assert len(recordings) == 4


def test_files_it_names_exist() -> None:
    named = [name for row in _table("Where to change what", "folder") for name in code(row[0])]
    assert named
    named += re.findall(
        r"`((?:producer|worker|localaws|samples|\.ci)/[\w./]*|\.env\.example)`", README
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_folder_of_the_product_has_a_row() -> None:
    named = {name for row in _table("Where to change what", "folder") for name in code(row[0])}
    packages = {
        f"{path.parent.relative_to(ROOT)}/"
        for product in ("producer", "worker", "localaws", "benchmarks", "tests")
        for path in (ROOT / product).glob("**/__init__.py")
    }
    inner = {each for each in packages if each.startswith(("tests/", "benchmarks/"))}
    assert packages - inner | {"tests/", "benchmarks/"} <= named


def test_it_is_for_every_machine() -> None:
    assert not re.findall(r"/(?:root|home|tmp|work|opt)/", README)
    assert re.findall(r"https?://[^\s>`)]+", README) == ["http://127.0.0.1:5555"]
