"""No identifier contains a word for which docs/explanation/glossary.md has another."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("producer", "worker", "localaws", "benchmarks", "tests")

#: Words in every form that a name may contain; after each the words to choose from instead.
REPLACED = {
    "tell tells telling told": "report, say",
    "look looks looking looked": "snapshot, read, check",
    "take takes taking taken took": "acquire, accept, read",
    "give gives giving given gave": "release, return",
    "whoever": "the name of the actor",
    "heed heeds heeded": "check, apply",
    "place places placed": "position, path, address",
    "hold holds holding held holder holders": "lease, fencing token",
    "begin begins beginning began begun": "acquire, start",
    "renew renews renewed renewing renewal": "extend",
    "put_off": "release with a delay",
    "generation generations": "fencing token",
    "not_yet": "snooze",
    "lapse lapses lapsed lapsing": "stalled",
    "permit permits permitted": "token of the rate limiter",
    "yielding standing": "backoff factor",
    "seat seats seated": "concurrency limit",
    "stand_in stand_ins": "emulator",
    "door doors arrival arrivals": "inbox, ingress",
    "letter letters bury buries buried": "dead letter",
    "probation": "isolation",
    "departure departures hurry hurries hurried": "warm shutdown, cold shutdown",
    "sweep sweeps sweeper swept": "fail_overdue, prune",
    "claim claims claimed claiming": "dispatch",
    "adoption adoptions": "recover",
    "MOST LONGEST": "MAX",
}
#: Names that keep such a word, by a pattern for the whole name.
ALLOWED = {
    r"given": "Hypothesis has it",
    r"tell": "Python's files have it",
    r"NameTaken": "an error code that users know",
    r"ascii_letters": "the standard library has it",
    r"adoption": "a worker adopts a Transcribe job of ours that runs already",
}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LUA_TEXT = re.compile(r"--\[\[.*?\]\]|--[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)
_SEVERAL = [word for words in REPLACED for word in words.split() if "_" in word]
_SINGLE = {word for words in REPLACED for word in words.split() if "_" not in word}


def sources() -> list[Path]:
    """The files whose identifiers are ours."""
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*")]
    return sorted(path for path in found if path.suffix in {".py", ".lua"})


def identifiers(path: Path) -> set[str]:
    """The name of a file, and all names that its code contains."""
    text = path.read_text()
    names = python_names(text) if path.suffix == ".py" else lua_names(text)
    return {path.stem, *names}


def python_names(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.MatchAs(name=str(name)):
                yield name
            case ast.keyword(arg=str(name)):
                yield name
            case ast.alias(name=name, asname=other):
                yield from name.split(".")
                yield other or ""


def lua_names(text: str) -> Iterator[str]:
    yield from re.findall(r"[A-Za-z_]\w*", _LUA_TEXT.sub(" ", text))


def replaced_words(name: str) -> list[str]:
    """What of a name the vocabulary replaces."""
    if any(re.fullmatch(pattern, name) for pattern in ALLOWED):
        return []
    words = _WORD.findall(re.sub(r"dead_?letter", "", name, flags=re.IGNORECASE))
    several = [each for each in _SEVERAL if f"_{each}_" in f"_{name.lower()}_"]
    return several + [word for word in words if word.lower() in _SINGLE or word in _SINGLE]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_identifier_has_a_replaced_word(path: Path) -> None:
    found = {name: words for name in identifiers(path) if (words := replaced_words(name))}
    assert found == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("placeholder", []),
        ("THRESHOLD", []),
        ("outlook_of", []),
        ("_TokenHolder", ["Holder"]),
        ("take_up", ["take"]),
        ("stand_in_for", ["stand_in"]),
        ("MOST_KEYS", ["MOST"]),
        ("almost_most", []),
        ("dead_letters_of", []),
        ("NoSuchDeadLetter", []),
        ("list_letters", ["letters"]),
    ],
)
def test_words_are_found_at_underscores_and_capitals(name: str, words: list[str]) -> None:
    assert replaced_words(name) == words


def test_names_are_found_in_python_and_in_lua() -> None:
    python = "import a.b as c\nclass D:\n    def e(self, f): g.h(i=j)"
    assert {*"abcDefghij"} <= set(python_names(python))
    lua = 'local a = "b" -- c\nlocal function d(e) return redis.call("f", e.g) end'
    assert set(lua_names(lua)) == {*"adeg", "local", "function", "return", "redis", "call", "end"}
