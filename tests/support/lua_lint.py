"""What luacheck would say of our Lua, as Redis runs it: `python -m tests.support.lua_lint`.

luacheck itself comes from LuaRocks only. This checks each script as Redis gets it: syntax, names
that nobody declared (Redis ends a script that meets one), declarations that nobody reads, and names
that hide another. A declaration of a shared file must be read by one script at least. And the head
of each file must say what its body uses: of includes, and of arguments.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import tree_sitter_lua
from tree_sitter import Language, Node, Parser

from producer.backend import scripts

_DEFINED = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE)
_ARGUMENT_USED = re.compile(r"\bargs\.(\w+)")
_PARSER = Parser(Language(tree_sitter_lua.language()))
#: The globals that Redis gives a script, and what each library has in all versions we run on.
#: https://redis.io/docs/latest/develop/programmability/lua-api/
_NAMES = """
KEYS ARGV assert error getmetatable ipairs next pairs pcall rawequal rawget rawset select
setmetatable tonumber tostring type unpack xpcall
bit: arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex
cjson: decode encode null
cmsgpack: pack unpack
math: abs ceil exp floor fmod huge log max min modf pi pow sqrt
redis: call pcall error_reply status_reply log sha1hex LOG_DEBUG LOG_VERBOSE LOG_NOTICE LOG_WARNING
string: byte char find format gmatch gsub len lower match rep reverse sub upper
table: concat insert maxn remove sort
"""
_PLAIN = [word for line in _NAMES.splitlines() if ":" not in line for word in line.split()]
_LIBRARIES = [line.split(":") for line in _NAMES.splitlines() if ":" in line]
#: Each global with the names that its library has, if it is one.
GLOBALS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_PLAIN, frozenset()),
    **{library: frozenset(names.split()) for library, names in _LIBRARIES},
}
#: What tree-sitter's grammar knows, and the Lua 5.1 of Redis does not.
_LATER_THAN_5_1 = {
    "goto_statement",
    "label_statement",
    "attribute",
    "//",
    "&",
    "|",
    "~",
    "<<",
    ">>",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to mend."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass
class _Declaration:
    node: Node
    is_read: bool = False


@dataclass
class Script:
    """A script as Redis gets it: the names and texts of its files in order, each a few lines."""

    parts: list[tuple[str, str]]
    findings: set[Finding] = field(default_factory=set)
    #: what there is to mend if no other script reads a declaration either; whether this one does
    unused: dict[Finding, bool] = field(default_factory=dict)
    _scopes: list[dict[str, _Declaration]] = field(default_factory=list)

    def check(self) -> None:
        """Fill `findings` and `unused`."""
        root = _PARSER.parse("".join(text for _, text in self.parts).encode()).root_node
        self._check_syntax(root)
        if not root.has_error:
            self._block(root)

    def _finding(self, node: Node, message: str) -> Finding:
        ends = list(accumulate((text.count("\n") for _, text in self.parts), initial=0))
        part = min(bisect_right(ends, node.start_point.row), len(self.parts)) - 1
        return Finding(self.parts[part][0], node.start_point.row - ends[part] + 1, message)

    def _report(self, node: Node, message: str) -> None:
        self.findings.add(self._finding(node, message))

    def _check_syntax(self, node: Node) -> None:
        if node.is_error or node.is_missing:
            self._report(node, f"syntax error near {_text(node)[:40]!r}")
        elif node.type in _LATER_THAN_5_1:
            self._report(node, f"Lua 5.1 has no {node.type!r}")
        for child in node.children:
            self._check_syntax(child)

    # -- scopes ---------------------------------------------------------------------------------

    def _open(self, names: Sequence[Node] = ()) -> None:
        self._scopes.append({})
        self._declare(names)

    def _close(self) -> None:
        for name, declaration in self._scopes.pop().items():
            if not name.startswith("_"):
                self._note_use(name, declaration)

    def _note_use(self, name: str, declaration: _Declaration) -> None:
        unused = self._finding(declaration.node, f"nobody reads {name!r}")
        self.unused[unused] = declaration.is_read

    def _declare(self, names: Sequence[Node]) -> None:
        for node in names:
            name = _text(node)
            if name in GLOBALS or (not name.startswith("_") and self._find(name)):
                self._report(node, f"{name!r} hides another")
            if name in self._scopes[-1]:
                self._note_use(name, self._scopes[-1][name])
            self._scopes[-1][name] = _Declaration(node)

    def _find(self, name: str) -> _Declaration | None:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), None)

    # -- going through the tree -----------------------------------------------------------------

    def _visit(self, node: Node) -> None:
        visits = {
            "identifier": self._read,
            "variable_declaration": self._local,
            "assignment_statement": self._assign,
            "function_declaration": self._function,
            "function_definition": self._function,
            "for_statement": self._for,
            "repeat_statement": self._repeat,
            "dot_index_expression": self._index,
            "method_index_expression": self._index,
            "field": self._field,
            "block": self._block,
        }
        visits.get(node.type, self._all_of)(node)

    def _all_of(self, node: Node) -> None:
        for child in _children(node):
            self._visit(child)

    def _block(self, node: Node) -> None:
        self._open()
        self._all_of(node)
        self._close()

    def _read(self, node: Node) -> None:
        if declaration := self._find(_text(node)):
            declaration.is_read = True
        elif _text(node) not in GLOBALS:
            self._report(node, f"nobody declared {_text(node)!r}")

    def _index(self, node: Node) -> None:
        table, member = _children(node)
        self._visit(table)
        name = _text(table)
        members = None if self._find(name) else GLOBALS.get(name)
        if members is not None and _text(member) not in members:
            self._report(node, f"Redis has no {_text(node)!r}")

    def _field(self, node: Node) -> None:
        # {name = value} reads no `name`, {[name] = value} does.
        is_named = node.child_by_field_name("name") and node.children[0].type != "["
        for child in _children(node)[1:] if is_named else _children(node):
            self._visit(child)

    def _local(self, node: Node) -> None:
        (declared,) = _children(node)
        if declared.type == "assignment_statement":
            declared, values = _children(declared)
            self._visit(values)
        self._declare(declared.children_by_field_name("name"))

    def _assign(self, node: Node) -> None:
        targets, values = _children(node)
        self._visit(values)
        for target in _children(targets):
            if target.type != "identifier":
                self._visit(target)
            elif not self._find(_text(target)):
                self._report(target, f"nobody declared {_text(target)!r}")

    def _function(self, node: Node) -> None:
        for name in node.children_by_field_name("name"):
            if node.children[0].type == "local":
                self._declare([name])
            else:
                self._visit(name)
        (parameters,) = node.children_by_field_name("parameters")
        self._open(parameters.children_by_field_name("name"))
        self._all_in(node, "body")
        self._close()

    def _for(self, node: Node) -> None:
        (clause,) = node.children_by_field_name("clause")
        names = clause.children_by_field_name("name")
        for child in _children(clause):
            if child.type == "variable_list":
                names = child.children_by_field_name("name")
            elif child not in names:
                self._visit(child)
        self._open(names)
        self._all_in(node, "body")
        self._close()

    def _repeat(self, node: Node) -> None:
        # What its block declares is known to its condition.
        self._open()
        self._all_in(node, "body")
        self._all_in(node, "condition")
        self._close()

    def _all_in(self, node: Node, name: str) -> None:
        for child in node.children_by_field_name(name):
            if child.type == "block":
                self._all_of(child)
            else:
                self._visit(child)


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _children(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def check(scripts: Iterable[Script]) -> list[Finding]:
    """What is to be mended in scripts that share files."""
    findings: set[Finding] = set()
    is_read: dict[Finding, bool] = {}
    for script in scripts:
        script.check()
        findings |= script.findings
        for unused, read_here in script.unused.items():
            is_read[unused] = is_read.get(unused, False) or read_here
    return sorted(findings | {unused for unused, anywhere in is_read.items() if not anywhere})


def check_heads(script: scripts.Script) -> list[Finding]:
    """What is to be mended in the heads of the files of a script."""
    (_, *includes), (command, body) = script.parts[:-1], script.parts[-1]
    defined = {
        file.removeprefix("includes/").removesuffix(".lua"): set(_DEFINED.findall(text))
        for file, text in includes
    }
    found = []
    for file, text in (*includes, (command, body)):
        code, named = scripts.without_comments(text), scripts.includes_of(text)
        own = set(_DEFINED.findall(text))
        for name, words in defined.items():
            used = {word for word in words - own if re.search(rf"(?<![\w.]){word}\b", code)}
            called = {word for word in used if re.search(rf"(?<![\w.]){word}\(", code)}
            if name in named and not used:
                found.append(Finding(file, 1, f"includes {name} and uses nothing of it"))
            if name not in named and not file.endswith(f"/{name}.lua") and called:
                found.append(Finding(file, 1, f"uses {min(called)} and does not include {name}"))
    read = frozenset(_ARGUMENT_USED.findall(scripts.without_comments(body)))
    if read != script.arguments:
        said = f"the head has the arguments {sorted(script.arguments)}, the body {sorted(read)}"
        found.append(Finding(command, 1, said))
    return found


def ours() -> list[Script]:
    """Every script of the producer."""
    return [Script(list(scripts.load(name).parts)) for name in scripts.names()]


if __name__ == "__main__":
    found = check(ours())
    found += [each for name in scripts.names() for each in check_heads(scripts.load(name))]
    sys.stdout.writelines(f"{each}\n" for each in found)
    sys.exit(1 if found else 0)
