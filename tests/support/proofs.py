"""docs/explanation/proofs.md: of each promise of reliability.md, the tests that prove it.

A row of reliability.md ends with its promise and the address of its test in the page written here:
`[4](proofs.md#test-a-worker-dies)`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.protections.catalogue import PROTECTIONS, Protection

RELIABILITY = Path(__file__).parents[2] / "docs/explanation/reliability.md"


@dataclass(frozen=True)
class Row:
    """A fault of reliability.md, with what we promise and which of the twelve promises that is."""

    fault: str
    seen: str
    promised: str
    promise: int
    anchor: str


def rows() -> list[Row]:
    """Every row of the tables of faults. Raises ValueError for one of another form."""
    lines = RELIABILITY.read_text().splitlines()
    return [
        _row(line) for line in lines if line.startswith("| ") and not line.startswith("| fault |")
    ]


def _row(line: str) -> Row:
    fault, seen, promised, proof = (cell.strip() for cell in line.strip("|").split(" | "))
    link = re.fullmatch(r"\[(\d+)\]\(proofs\.md#(\S+)\)", proof)
    if not (fault and seen and promised and link):
        raise ValueError(f"not a fault, what users see, what we promise, and a proof: {line}")
    return Row(fault, seen, promised, int(link[1]), link[2])


def promises() -> dict[int, str]:
    """The twelve: number and short sentence."""
    found = re.findall(r"^(\d+)\. \*\*(.+?)\*\*", RELIABILITY.read_text(), re.MULTILINE)
    return {int(number): sentence.rstrip(".") for number, sentence in found}


def anchor(test: str) -> str:
    """Where a test is in the page."""
    return re.sub(r"[^a-z0-9]+", "-", test.rpartition("::")[2].lower()).strip("-")


def page() -> str:
    """Every promise with its tests, and what each test needs."""
    lines = [
        "# Proofs",
        "",
        "The tests that prove each promise of [Reliability](reliability.md), and the code without",
        "which each fails. `make protections` removes that code from a copy of the project and",
        "runs the test. `python -m tests.support.reference` writes this page from",
        "`tests/protections/catalogue.py`.",
    ]
    promise_of = {row.anchor: row.promise for row in rows()}
    tests: dict[str, list[Protection]] = defaultdict(list)
    for each in PROTECTIONS:
        tests[each.test].append(each)
    for number, sentence in promises().items():
        lines += ["", f"## {number}. {sentence}", "", "| test | fails without |", "|---|---|"]
        for test, protections in tests.items():
            if promise_of.get(anchor(test)) == number:
                code = "; ".join(dict.fromkeys(map(_code, protections)))
                lines.append(f'| <a id="{anchor(test)}"></a>`{test}` | {code} |')
    return "\n".join(lines) + "\n"


def _code(protection: Protection) -> str:
    within = f"`{protection.function}` in " if protection.function else "a part of "
    return f"{within}`{protection.file}`"
