"""Guards are found however the code is laid out, and not where they are gone."""

from __future__ import annotations

import pytest

from tests.protections.guards import GuardNotFound, remove_guard

PYTHON = """\
class Work:
    def check(self):
        if self.lost or late(self.lease, by=(1, 2)):  # a comment
            raise LeaseLost

    def other(self):
        if self.lost:
            raise LeaseLost
"""
LAID_OUT_ANEW = """\
class Work:
    def check(self):
        # if self.lost or late() is no code
        if (self.lost
            or late(
            self.lease,
            by=(1, 2),
        )):
            raise LeaseLost
"""
LUA = """\
-- function check is not here
local function check(id, at)
  for _, each in ipairs(KEYS) do
    if not has_lease(stage, id, '0') then return nil end -- why
  end
end
local function other(id) if not has_lease(id) then return nil end end
"""


def guard_removed(
    code: str, guard: str, instead: str = "pass", function: str = "Work.check"
) -> str:
    return remove_guard(code, "py", function, guard, instead)


@pytest.mark.parametrize("code", [PYTHON, LAID_OUT_ANEW])
@pytest.mark.parametrize("guard", ["late(self.lease, by=(1, 2))", "late(...)", "late(..., by=...)"])
def test_a_guard_is_found_in_any_layout(code: str, guard: str) -> None:
    out = guard_removed(code, guard, "False")
    assert "late(" not in out.replace("late() is no code", "")
    assert "False" in out


def test_how_a_string_is_quoted_does_not_count() -> None:
    assert guard_removed(PYTHON.replace("1, 2", "'a', \"b\""), "('a', 'b')", "0").count("by=0") == 1


def test_what_is_instead_is_indented_as_the_guard_is() -> None:
    out = guard_removed(PYTHON, "if self.lost or ...: raise LeaseLost", "if False:\n    pass")
    assert "        if False:\n            pass\n\n    def other" in out


@pytest.mark.parametrize(
    ("function", "guard"),
    [
        ("Work.check", "renew(...)"),
        ("Work.check", "late(other, ...)"),
        ("Work.check", "self"),
        ("Work.gone", "late(...)"),
        ("", "if self.lost"),
    ],
    ids=["gone", "other arguments", "several times", "no such function", "in two functions"],
)
def test_what_is_not_there_once_is_not_found(function: str, guard: str) -> None:
    with pytest.raises(GuardNotFound):
        guard_removed(PYTHON, guard, function=function)


def test_what_stands_for_anything_is_balanced() -> None:
    with pytest.raises(GuardNotFound):
        guard_removed(PYTHON, "late(... raise")


def test_a_guard_is_found_in_lua() -> None:
    out = remove_guard(LUA, "lua", "check", "not has_lease(...)", "false")
    assert "    if false then return nil end -- why" in out
    assert "other(id) if not has_lease(id)" in out
    with pytest.raises(GuardNotFound):
        remove_guard(LUA, "lua", "", "not has_lease(...)", "false")
    with pytest.raises(GuardNotFound):
        remove_guard(LUA, "lua", "gone", "not has_lease(...)", "false")
