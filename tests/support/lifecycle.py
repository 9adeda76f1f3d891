"""The diagram of `docs/explanation/job-lifecycle.md`, drawn from the moves that a job may make.

`python -m tests.support.lifecycle` draws it anew.
"""

from __future__ import annotations

from pathlib import Path

from producer.contract.job import TRANSITIONS, JobState

PAGE = Path(__file__).parents[2] / "docs/explanation/job-lifecycle.md"
_START, _END = "<!-- drawn from TRANSITIONS -->\n", "<!-- end of the drawing -->\n"


def diagram() -> str:
    """The states in mermaid's language; the moves that all living jobs can make, drawn once."""
    living = [state for state in JobState if not state.is_terminal]
    common = frozenset.intersection(*(TRANSITIONS[state] for state in living))
    moves = [(state, to) for state in JobState for to in JobState if to in TRANSITIONS[state]]
    inner = [(one, to) for one, to in moves if {one, to} <= set(living)]
    outer = [
        (one, to)
        for one, to in moves
        if (one, to) not in inner and not (one in living and to in common)
    ]
    lines = [
        "stateDiagram-v2",
        "  [*] --> living",
        "  state living {",
        "    [*] --> QUEUED",
        *(f"    {one} --> {to}" for one, to in inner),
        "  }",
        *(f"  living --> {to}" for to in JobState if to in common),
        *(f"  {one} --> {to}" for one, to in outer),
    ]
    return "\n".join(["```mermaid", *lines, "```"]) + "\n"


def with_diagram(page: str) -> str:
    """The page with the diagram between its markers."""
    before, _, rest = page.partition(_START)
    return f"{before}{_START}{diagram()}{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text()))
