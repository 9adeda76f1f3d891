"""The names of tasks and queues: one address, and docs that say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from producer.contract.job import TERMINAL_STATES, JobState
from producer.contract.stages import FOLLOWS, QUEUES, STAGE_OF, Stage

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\btranscription\.[a-z]+")
DOCS = [ROOT / "README.md", ROOT / "docker-compose.yml", *(ROOT / "docs").rglob("*.md")]


def test_task_and_queue_names_stay() -> None:
    # Programs in other languages and supervisors' `-Q` spell them.
    assert {stage.task: stage.queue for stage in Stage} == {
        "transcription.submit": "transcription.control",
        "transcription.upload": "transcription.upload",
        "transcription.start": "transcription.control",
        "transcription.poll": "transcription.control",
        "transcription.collect": "transcription.collect",
        "transcription.cleanup": "transcription.cleanup",
        "transcription.recover": "transcription.control",
    }
    assert set(QUEUES) == {stage.queue for stage in Stage}


def test_every_state_that_is_not_terminal_has_a_stage() -> None:
    assert set(STAGE_OF) == set(JobState) - TERMINAL_STATES


def test_what_follows_an_end_waits_as_entries() -> None:
    """No message: a thousand jobs may end at once, as when they are cancelled."""
    waits = [wait for state in TERMINAL_STATES for wait in FOLLOWS.get(state, {}).values()]
    assert waits
    assert all(isinstance(wait, float) for wait in waits)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_docs_name_only_tasks_and_queues_that_exist(path: Path) -> None:
    assert set(NAME.findall(path.read_text())) <= {*QUEUES, *(stage.task for stage in Stage)}


def test_no_other_module_spells_the_name_of_a_queue() -> None:
    modules = {
        str(path.relative_to(ROOT))
        for room in ("producer", "worker")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"""["']transcription\.[a-z]+["':]""", path.read_text())
    }
    assert modules == {"producer/contract/stages.py"}
