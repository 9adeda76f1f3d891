"""Guards: found by their words in the function that has them, and taken out.

How the code is laid out does not count, nor do comments. `...` in a guard is anything, but balanced
in its brackets: `fence(...)` is that call with whatever arguments, in Python and in Lua.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

_STRING = r"""\"{3}.*?\"{3}|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""""
_COMMENT = {"py": r"\#[^\n]*", "lua": r"--[^\n]*"}
_ANY = "..."
_CLOSES = {"(": ")", "[": "]", "{": "}"}
#: What begins and ends a block in Lua; a loop's begins with its `do`.
_LUA_OPENS, _LUA_CLOSES = {"function", "if", "do", "repeat"}, {"end", "until"}


class GuardNotFound(LookupError):
    """The function is not there, or does not have the guard exactly once."""


@dataclass(frozen=True)
class Token:
    """A word, a string or a sign of the code, and where it stands."""

    text: str
    start: int
    end: int


def remove_guard(code: str, language: str, function: str, guard: str, instead: str) -> str:
    """The code with something else in place of a guard. Raises GuardNotFound.

    Args:
        code: of a file.
        language: py or lua.
        function: that has the guard, as in `Class.method`; empty: it may be anywhere in the file.
        guard: its words.
        instead: what stands there without it; its lines are indented as the guard is.
    """
    found = list(_matches(_of_function(code, language, function), _tokens(guard, language)))
    if len(found) != 1:
        raise GuardNotFound(f"{function or 'the file'} has `{guard}` {len(found)} times, not once")
    ((start, end),) = found
    line = code[code.rfind("\n", 0, start) + 1 : start]
    margin = line[: len(line) - len(line.lstrip())]
    return code[:start] + textwrap.indent(instead, margin).lstrip(" ") + code[end:]


def _tokens(code: str, language: str) -> list[Token]:
    pattern = re.compile(rf"\s+|{_COMMENT[language]}|({_STRING}|\w+|\.\.\.|.)", re.DOTALL)
    found = [
        # Nor do the quotes of a string count.
        Token(re.sub("^'(.*)'$", r'"\1"', each[1], flags=re.DOTALL), *each.span())
        for each in pattern.finditer(code)
        if each[1]
    ]
    # A comma before a bracket that closes is layout.
    following = [each.text for each in found[1:]] + [""]
    return [
        each
        for each, after in zip(found, following, strict=True)
        if each.text != "," or after not in _CLOSES.values()
    ]


def _of_function(code: str, language: str, function: str) -> list[Token]:
    tokens = _tokens(code, language)
    if not function:
        return tokens
    spans = list(
        _python_spans(code, function) if language == "py" else _lua_spans(tokens, function)
    )
    if len(spans) != 1:
        raise GuardNotFound(f"there are {len(spans)} functions {function}")
    ((start, end),) = spans
    return [each for each in tokens if start <= each.start < end]


def _python_spans(code: str, function: str) -> Iterator[tuple[int, int]]:
    lines = code.splitlines(keepends=True)
    nodes: list[ast.AST] = [ast.parse(code)]
    for name in function.split("."):
        nodes = [
            child
            for node in nodes
            for child in ast.walk(node)
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)) and child.name == name
        ]
    for node in nodes:
        assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
        yield len("".join(lines[: node.lineno - 1])), len("".join(lines[: node.end_lineno]))


def _lua_spans(tokens: list[Token], function: str) -> Iterator[tuple[int, int]]:
    for index, token in enumerate(tokens[:-1]):
        if token.text == "function" and tokens[index + 1].text == function:
            depth = 0
            for each in tokens[index:]:
                depth += (each.text in _LUA_OPENS) - (each.text in _LUA_CLOSES)
                if depth == 0:
                    yield token.start, each.end
                    break


def _matches(tokens: list[Token], guard: list[Token]) -> Iterator[tuple[int, int]]:
    words = [each.text for each in guard]
    for start in range(len(tokens)):
        end = _end_of_match(tokens, start, words)
        if end is not None:
            yield tokens[start].start, tokens[end - 1].end


def _end_of_match(tokens: list[Token], at: int, words: list[str]) -> int | None:
    """Behind the last token of the shortest match that begins there."""
    for number, word in enumerate(words):
        if word == _ANY:
            return _end_behind_any(tokens, at, words[number + 1 :])
        if at == len(tokens) or tokens[at].text != word:
            return None
        at += 1
    return at


def _end_behind_any(tokens: list[Token], at: int, words: list[str]) -> int | None:
    expected: list[str] = []
    while at < len(tokens):
        if not expected and (end := _end_of_match(tokens, at, words)) is not None:
            return end
        if tokens[at].text in _CLOSES:
            expected.append(_CLOSES[tokens[at].text])
        elif tokens[at].text in _CLOSES.values() and (
            not expected or expected.pop() != tokens[at].text
        ):
            return None
        at += 1
    return None
