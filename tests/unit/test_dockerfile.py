"""The Dockerfile: clean by hadolint, no root, no secrets, and everything that it names exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml

from tests.support.waiting import DEADLINE
from worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Dockerfile"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
HADOLINT = Path(sys.executable).parent / "hadolint"


def _instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments on one line; comments left out."""
    lines = [line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.split(None, 1) for line in whole.splitlines() if line.strip()]
    return [(name, " ".join(arguments.split())) for name, arguments in pairs]


def _all(name: str) -> list[str]:
    return [arguments for each, arguments in _instructions() if each == name]


def _last_stage() -> list[tuple[str, str]]:
    instructions = _instructions()
    start = max(i for i, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[start:]


def _environment() -> dict[str, str]:
    pairs = [
        pair for name, arguments in _last_stage() if name == "ENV" for pair in arguments.split()
    ]
    return dict(pair.split("=", 1) for pair in pairs)


def _sources() -> set[str]:
    """What is copied from the repository."""
    copies = [words.split() for words in _all("COPY") if "--from=" not in words]
    return {source for words in copies for source in words[:-1]}


def _hadolint(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(HADOLINT), "--no-color", "-"],
        check=False,
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def test_hadolint_finds_nothing() -> None:
    done = _hadolint(FILE.read_text())
    assert done.returncode == 0, done.stdout


def test_hadolint_would_find_a_shell_form_command() -> None:
    done = _hadolint(re.sub(r"CMD \[.*\]", "CMD celery -A worker worker", FILE.read_text()))
    assert done.returncode == 1
    assert "DL3025" in done.stdout


def test_nothing_is_ignored_in_the_file_itself() -> None:
    assert "hadolint ignore" not in FILE.read_text()


def test_images_are_official_pinned_and_of_a_python_we_support() -> None:
    images = [words.split()[0] for words in _all("FROM")]
    assert len(images) == 2
    assert len(set(images)) == 1
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", images[0])
    assert version is not None
    least = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, version.groups())) >= tuple(map(int, least.split(".")))


def test_the_last_word_on_the_user_is_a_number_and_not_root() -> None:
    *_, user = [arguments for name, arguments in _last_stage() if name == "USER"]
    uid, gid = map(int, user.split(":"))
    assert uid > 0
    assert gid > 0
    made = " ".join(_all("RUN"))
    assert f"--uid {uid} --gid {gid}" in made
    assert COMPOSE["services"]["worker"]["user"] == f"${{WORKER_USER:-{uid}:{gid}}}"
    names = [name for name, _ in _last_stage()]
    assert "RUN" not in names[names.index("USER") :]


def test_it_starts_a_worker_that_can_be_stopped() -> None:
    (command,) = (json.loads(words) for words in _all("CMD"))
    assert command == COMPOSE["services"]["worker"]["command"]
    assert command[0] in {script.name for script in entry_points(group="console_scripts")}
    assert _all("STOPSIGNAL") == ["SIGTERM"]
    # Else a shell would be the one that gets the signal.
    assert not _all("ENTRYPOINT")
    assert not _all("SHELL")


def test_everything_copied_is_there_and_all_that_is_installed_is_copied() -> None:
    assert not _all("ADD")
    assert {source for source in _sources() if not (ROOT / source).exists()} == set()
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) | {
        "pyproject.toml",
        "constraints.txt",
        PROJECT["project"]["readme"],
    } <= (_sources())


def test_the_context_is_exactly_what_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert set(let_in) == _sources()
    assert len(let_in) == len(set(let_in))
    # The last rule that matches counts, so these must come after.
    after = rules[1 + len(let_in) :]
    assert not any(rule.startswith("!") for rule in after)
    assert {"**/.env", "**/*.env"} <= set(after)


def test_the_copied_environment_is_where_it_was_built() -> None:
    """Scripts in a virtual environment name its path."""
    (copy,) = (words.split() for words in _all("COPY") if "--from=" in words)
    flag, source, target = copy
    assert flag == "--from=builder"
    assert source == target
    assert f"-m venv {target}" in " ".join(_all("RUN"))
    assert _environment()["PATH"].startswith(f"{target}/bin:")


def test_settings_that_it_names_exist_and_are_composes() -> None:
    known = {f"TRANSCRIBE_{name.upper()}" for name in WorkerSettings.model_fields}
    ours = {name: v for name, v in _environment().items() if name.startswith("TRANSCRIBE_")}
    assert set(ours) <= known
    compose = COMPOSE["services"]["worker"]["environment"]
    assert {name: compose[name] for name in ours} == ours
    made = " ".join(_all("RUN"))
    assert all(re.search(rf"mkdir --mode \d+ {folder}\b", made) for folder in ours.values())


def test_no_secret_is_built_in() -> None:
    names = [words.split("=")[0] for words in _all("ARG")] + list(_environment())
    assert names.count("EXTRAS") == 1
    assert not [name for name in names if re.search("KEY|SECRET|TOKEN|PASSWORD|AWS_", name)]


def test_extras_that_can_be_asked_for_exist() -> None:
    (default,) = (words.partition("=")[2] for words in _all("ARG"))
    builds = [service.get("build") for service in COMPOSE["services"].values()]
    asked = {build["args"]["EXTRAS"] for build in builds if build}
    assert {default} | asked == {"worker", "local"}
    assert {default} | asked <= set(PROJECT["project"]["optional-dependencies"])
