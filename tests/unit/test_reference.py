"""docs/: what is written from the code is what the code says today."""

from __future__ import annotations

import re
import signal

import pytest

from producer.cli.program import transcribe
from tests.support.reference import FOLDER, PAGES, error_kinds


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_as_the_code_has_it(page: str) -> None:
    again = "write it anew: python -m tests.support.reference"
    assert (FOLDER / page).read_text() == PAGES[page](), again


def test_the_exit_codes_of_the_help_are_those_of_the_errors() -> None:
    numbers = re.findall(r"^  (\d+) +", str(transcribe.epilog), re.MULTILINE)
    signals = {128 + signal.SIGINT, 128 + signal.SIGPIPE}
    codes = {0, *(kind.exit_code for kind in error_kinds()), *signals}
    assert [int(number) for number in numbers] == sorted(codes)
