"""The Lua scripts: how they are put together from commands, includes and constants of ours.

A command is one file of `lua/commands/`. Its head names the includes that it needs and the
arguments that it takes:

    --- One sentence.
    --- @include leases
    --- @arg stage string: what it is
    --- @returns what the caller gets

Arguments come as one JSON object, `args`. What Lua and Python share is rendered from Python.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from producer.backend import keys
from producer.contract.job import (
    FIRST_STATES,
    NOTHING_MADE,
    REFUSED,
    STATES_WITH_RESULT,
    TERMINAL_STATES,
    TRANSITIONS,
)
from producer.contract.request import DEFAULT_PRIORITY
from producer.contract.stages import FLEET, FOLLOWS, INBOX_LISTS, STAGE_OF, Stage
from producer.contract.submission import ANY_AUDIO

LUA = resources.files("producer.backend") / "lua"
_INCLUDE = re.compile(r"^--- @include (\w+)$", re.MULTILINE)
_ARGUMENT = re.compile(r"^--- @arg (\w+) \w+(?:\[\])?: \S.*$", re.MULTILINE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_CALL = re.compile(r"redis\.p?call\('([A-Z]+)'")
#: Without a line of its own, so that errors name the lines of the file.
_PARSE = "local args = cjson.decode(ARGV[1]) "


class ScriptError(ValueError):
    """A script cannot be put together: its sentence says which file to mend."""


@dataclass(frozen=True)
class Script:
    """A command, ready for Redis."""

    name: str
    #: the names and texts of its files, the constants first
    parts: tuple[tuple[str, str], ...]
    #: the names of its arguments
    arguments: frozenset[str]

    @property
    def source(self) -> str:
        """What Redis runs."""
        return "".join(text for _, text in self.parts)


@cache
def constants() -> Mapping[str, object]:
    """What scripts know of Python's, by the name that it has in Lua."""
    return {
        "KEY": {key.name.replace(":", "_"): f"{key}:" if key.of else str(key) for key in keys.KEYS},
        "MOVES": {
            state: dict.fromkeys(sorted(allowed), True) for state, allowed in TRANSITIONS.items()
        },
        "FIRST": dict.fromkeys(sorted(FIRST_STATES), True),
        "HAS_RESULT": dict.fromkeys(sorted(STATES_WITH_RESULT), True),
        "TERMINAL": dict.fromkeys(sorted(TERMINAL_STATES), True),
        "TASKS": {stage: stage.task for stage in Stage},
        "QUEUES": {stage: stage.queue for stage in Stage},
        "LISTS": {stage: stage.list for stage in Stage},
        "INBOX_LISTS": INBOX_LISTS,
        "FOLLOWS": dict(FOLLOWS),
        "STAGE_OF": dict(STAGE_OF),
        "FLEET": FLEET,
        "ANY_AUDIO": ANY_AUDIO,
        "DEFAULT_PRIORITY": DEFAULT_PRIORITY,
        "REFUSED": REFUSED,
        "NOTHING_MADE": dict.fromkeys(sorted(NOTHING_MADE), True),
    }


def names(folder: Traversable = LUA) -> list[str]:
    """The commands there are."""
    files = (folder / "commands").iterdir()
    return sorted(each.name.removesuffix(".lua") for each in files)


@cache
def load(name: str, folder: Traversable = LUA) -> Script:
    """Put a command together.

    Raises:
        ScriptError: if an include is missing or circular.
    """
    body = _read(folder, "commands", name)
    included: dict[str, str] = {}
    _include(folder, f"commands/{name}", body, included, ())
    arguments = frozenset(_ARGUMENT.findall(body))
    files = [(f"includes/{each}.lua", text) for each, text in included.items()]
    files.append((f"commands/{name}.lua", f"{_PARSE if arguments else ''}{body}"))
    constants_used = _rendered("".join(text for _, text in files))
    return Script(name, (("constants", constants_used), *files), arguments)


def includes_of(source: str) -> list[str]:
    """The includes that the head of a file names."""
    return _INCLUDE.findall(source)


def _include(
    folder: Traversable, file: str, source: str, included: dict[str, str], path: tuple[str, ...]
) -> None:
    for name in includes_of(source):
        if name in path:
            raise ScriptError(f"{file}.lua: includes run in a circle: {' > '.join([*path, name])}.")
        if name not in included:
            text = _read(folder, "includes", name)
            _include(folder, f"includes/{name}", text, included, (*path, name))
            included[name] = text


def commands_of(script: Script) -> frozenset[str]:
    """The commands of Redis that a script uses."""
    return frozenset(_CALL.findall(script.source))


def _read(folder: Traversable, kind: str, name: str) -> str:
    file = folder / kind / f"{name}.lua"
    if not file.is_file():
        raise ScriptError(f"There is no {kind}/{name}.lua.")
    return file.read_text(encoding="utf-8")


def without_comments(source: str) -> str:
    """What Redis runs of a file."""
    return _COMMENT.sub("", source)


def _rendered(source: str) -> str:
    """The constants that a script uses, as Lua."""
    code = without_comments(source)
    return "".join(
        f"local {name} = {_lua(value)}\n"
        for name, value in constants().items()
        if re.search(rf"\b{name}\b", code)
    )


def _lua(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"[{_lua(k)}] = {_lua(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        return "{" + ", ".join(map(_lua, value)) + "}"
    if isinstance(value, str):
        escaped = "".join(
            c if c.isprintable() and c not in "'\\" else f"\\{ord(c):03d}" for c in value
        )
        return f"'{escaped}'"
    return str(value).lower()
