"""What the command line says to a person who has not said yet what they want."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import DEADLINE

TRANSCRIBE = str(Path(sys.executable).parent / "transcribe")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRANSCRIBE, *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False
    )


@pytest.mark.parametrize("group", [[], ["dead"]])
def test_a_group_without_a_command_prints_its_help(group: list[str]) -> None:
    asked, isolated = run(*group, "--help"), run(*group)
    assert asked.returncode == 0
    assert len(asked.stdout.splitlines()) > 10
    # The same lines, but it is an error: a script that forgets the command must notice.
    assert (isolated.returncode, isolated.stdout) == (2, "")
    assert isolated.stderr == asked.stdout
