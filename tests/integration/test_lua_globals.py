"""What the linter lets our Lua use, Redis has."""

from __future__ import annotations

import pytest

from tests.support.lua_lint import GLOBALS
from tests.support.stack import Stack

pytestmark = pytest.mark.redis


def test_redis_has_what_scripts_may_use(stack: Stack) -> None:
    names = [name for name in GLOBALS if not GLOBALS[name]]
    names += [f"{library}.{name}" for library, members in GLOBALS.items() for name in members]
    kinds = ", ".join(f"type({name})" for name in names)
    answer = stack.broker.command("EVAL", f"return {{{kinds}}}", 0)
    assert [name for name, kind in zip(names, answer, strict=True) if kind == "nil"] == []
