"""The README: short, in order, and true."""

from __future__ import annotations

import re
from pathlib import Path

from producer.contract.job import JobState
from producer.contract.stages import Stage
from tests.support.guides import blocks, code, commands_of, table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs/explanation/architecture.md").read_text()
ROOMS = (ROOT / "docs/development/rooms.md").read_text()
CONFIGURATION = (ROOT / "docs/guides/configuration.md").read_text()
SECTIONS = [
    "What you get",
    "Thirty seconds",
    "From a shell",
    "From Python",
    "Deploy",
    "How it works",
    "Where to read on",
    "Contributing",
]


def _section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_sections_are_in_order() -> None:
    assert re.findall(r"^## (.*)$", README, re.MULTILINE) == SECTIONS


def test_it_is_read_in_two_minutes() -> None:
    assert len(README.splitlines()) <= 180


def test_it_opens_with_one_sentence() -> None:
    title, sentence, *_ = README.split("\n\n")
    assert title == "# transcribe-queue"
    assert re.findall(r"[.!?](?:\s|$)", sentence) == ["."]


def test_it_has_what_a_fresh_machine_needs() -> None:
    assert {words[0] for words in commands_of("make", README)} == {"demo"}
    assert "`make test`" in README


def test_the_demo_shows_every_sample() -> None:
    (output,) = blocks("text", _section("Thirty seconds"))
    recordings = [
        each for each in (ROOT / "samples").iterdir() if each.suffix in {".m4a", ".mp3", ".wav"}
    ]
    assert all(f"\n{each.stem}-" in output for each in recordings)
    assert "four short recordings" in " ".join(README.split())
    assert len(recordings) == 4


def test_its_picture_is_that_of_the_architecture() -> None:
    (picture,) = blocks("text", _section("How it works"))
    first, states = blocks("text", ARCHITECTURE)
    assert picture == first
    assert set(re.findall(r"[A-Z]{5,}", first + states)) == set(JobState)
    assert {stage for stage in Stage if stage.value not in first + states} == set()


def test_its_figures_are_those_of_the_guide() -> None:
    guide = (ROOT / "docs/guides/scaling.md").read_text()
    for row in table(README, "| transcribe-queue"):
        for figure in row[1:]:
            number = figure.removesuffix(" s")
            assert re.search(rf"\b{re.escape(number)}", guide), figure


def test_rooms_name_what_exists_and_every_folder_has_a_row() -> None:
    named = [name for row in table(ROOMS, "folder") for name in code(row[0])]
    assert named
    inner = re.findall(r"`((?:producer|worker|localaws|samples)/[\w./]*)`", ROOMS)
    assert [name for name in (*named, *inner) if not (ROOT / name).exists()] == []
    packages = {
        f"{path.parent.relative_to(ROOT)}/"
        for product in ("producer", "worker", "localaws")
        for path in (ROOT / product).glob("**/__init__.py")
    }
    assert packages | {"tests/", "benchmarks/", "samples/"} <= set(named)


def test_the_original_scripts_names_are_all_there() -> None:
    rows = table(CONFIGURATION, "in the file")
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
    readers = (ROOT / "producer/legacy_env_file.py").read_text().partition("def read_request(")
    read_by = {"worker": readers[0], "producer": readers[2]}
    for name, who in names.items():
        assert f'"{name}"' in read_by[who]
