"""README, docs/ and the pages beside them: what they name exists, and each command parses."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

import producer
from producer import Client, Job, Transcript
from producer.cli.program import transcribe
from producer.contract.job import JobState
from producer.contract.stages import QUEUES
from producer.settings import ProducerSettings
from producer.transcript.words import Word
from tests.support.guides import blocks, commands_of, parse, shell_commands
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
#: What is said once and never changed is not held to what is so today.
PAGES = [
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if page.name != "CHANGELOG.md" and "adr" not in page.parts
]
#: Its shell lines are run by a test of their own.
RUN = ROOT / "docs/guides/other-languages.md"
MAKEFILE = (ROOT / "Makefile").read_text()
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PROFILES = {profile for service in SERVICES.values() for profile in service.get("profiles", ())}
#: Programs of others, which a reader has or installs.
OTHERS = {
    *("cd", "curl", "export", "git", "grep", "jq", "pip", "pipx", "uv"),
    *("redis-cli", "redis-server"),
}
OURS = {"make", "transcribe", "celery", "docker", "python", ".venv/bin/python"}
SETTINGS = {f"TRANSCRIBE_{name.upper()}" for name in WorkerSettings.model_fields}


def of(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=of)


@pytest.mark.parametrize("page", [page for page in PAGES if page != RUN], ids=of)
def test_every_command_exists(page: Path) -> None:
    text = page.read_text().replace(".venv/bin/transcribe", "transcribe")
    assert {words[0] for words in shell_commands(text)} <= OTHERS | OURS
    for words in commands_of("transcribe", text):
        parse(words)
    for targets in commands_of("make", text):
        for target in [each for each in targets if "=" not in each]:
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    for words in commands_of("celery", text):
        assert words[:3] == ["-A", "worker", "worker"]
    for words in commands_of("docker", text):
        _check_compose(words)
    for program in ("python", ".venv/bin/python"):
        for option, module, *arguments in commands_of(program, text):
            assert option == "-m"
            assert importlib.util.find_spec(module) is not None
            assert [each for each in arguments if "/" in each and not (ROOT / each).exists()] == []


def _check_compose(words: list[str]) -> None:
    assert words[0] == "compose"
    named = dict(pairwise(words))
    if "--profile" in named:
        assert named["--profile"] in PROFILES
    if "--scale" in named:
        assert named["--scale"].partition("=")[0] in SERVICES
    if "--env-file" in named:
        assert (ROOT / named["--env-file"]).is_file()


@each_page
def test_every_command_in_the_text_exists(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for line in re.findall(r"`transcribe ([^`]+)`", prose):
        name = line.split()[0]
        # `archive` is the example of a command that somebody adds.
        assert name in transcribe.commands or name in {"--help", "archive"}


@each_page
def test_every_setting_exists(page: Path) -> None:
    assert set(re.findall(r"\bTRANSCRIBE_[A-Z_]+\b", page.read_text())) <= SETTINGS


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", each).strip().lower() for each in headings}
            ids = set(re.findall(r'<a id="(.*?)">', linked.read_text()))
            assert anchor in ids | {each.replace(" ", "-") for each in slugs}, target


@each_page
def test_it_is_for_every_machine(page: Path) -> None:
    assert not re.findall(r"(?<![\w.])/(?:root|home|work|opt)/", page.read_text())


def test_every_page_is_in_the_navigation_once() -> None:
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    named = re.findall(r"([\w./-]+\.md)$", text, re.MULTILINE)
    there = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(named) == sorted(there)


def test_workers_of_the_guide_serve_every_queue_between_them() -> None:
    served = []
    for words in commands_of("celery", (ROOT / "docs/guides/operations.md").read_text()):
        served += words[words.index("-Q") + 1].split(",")
    assert sorted(served) == sorted(QUEUES)


def test_the_producers_settings_come_first() -> None:
    assert "first four" in " ".join((ROOT / "docs/guides/configuration.md").read_text().split())
    assert len(ProducerSettings.model_fields) == 4
    assert list(WorkerSettings.model_fields)[:4] == list(ProducerSettings.model_fields)


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


FIELDS: dict[str, set[str]] = {
    "client": set(dir(Client)),
    "job": set(dir(Job)) | set(Job.model_fields),
    "transcript": set(dir(Transcript)),
    "word": set(dir(Word)),
    "JobState": set(dir(JobState)),
}
EXAMPLES = [
    pytest.param(example, id=f"{of(page)}-{number}")
    for page in PAGES
    for number, example in enumerate(blocks("python", page.read_text()))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_python_examples_use_what_there_is(example: str) -> None:
    tree = ast.parse(example)
    used = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert [(name, attr) for name, attr in used if attr not in FIELDS.get(name, {attr})] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "producer":
            assert {alias.name for alias in node.names} <= set(producer.__all__)


def test_the_python_guide_shows_the_main_ways() -> None:
    (example,) = blocks("python", (ROOT / "docs/guides/python.md").read_text())
    used = set(re.findall(r"\bclient\.(\w+)", example))
    assert used >= {"submit", "submit_many", "wait", "as_completed", "result", "text"}


def test_every_command_of_the_product_is_shown_in_the_guide() -> None:
    text = (ROOT / "docs/guides/command-line.md").read_text()
    shown = {words[0] for words in commands_of("transcribe", text)}
    elsewhere = {"local", "policy"}  # of the pages that begin
    assert shown | elsewhere == {
        name for name, each in transcribe.commands.items() if isinstance(each, click.Command)
    }
