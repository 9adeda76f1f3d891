"""What documents show in fenced blocks, to be run or parsed by tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from producer.cli.program import transcribe


def blocks(language: str, text: str) -> list[str]:
    """The fenced blocks of a language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [block.replace(f"\n{indent}", "\n").removeprefix(indent) for indent, block in found]


def table(text: str, first_column: str) -> list[list[str]]:
    """The cells of a table, found by the name of its first column."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {first_column} |"):
            break
    assert set(next(lines)) <= set("|-")
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")])
    return rows


def code(cell: str) -> list[str]:
    """What a cell has between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def commands_of(program: str, text: str) -> list[list[str]]:
    """The arguments of each command of a program, in the shell blocks of a text."""
    return [words[1:] for words in shell_commands(text) if words[0] == program]


def parse(words: list[str]) -> None:
    """Parse as `transcribe` would; fails on an unknown command or option, and runs nothing."""
    command = transcribe.commands[words[0]]
    arguments = words[1:] or (["x"] if words[0] == "wait" else [])
    parent = transcribe.make_context("transcribe", [words[0]])
    with command.make_context(words[0], arguments, parent=parent):
        pass


def shell_commands(text: str) -> Iterator[list[str]]:
    """Each command in a fenced shell block, as words, without redirection."""
    for line in "\n".join(blocks("sh", text)).replace("\\\n", " ").splitlines():
        for part in re.split(r"\s\|\s", line):
            words = shlex.split(part.partition(" > ")[0], comments=True)
            while words and re.match(r"[A-Za-z_]+=", words[0]):
                words.pop(0)
            if words:
                yield words
