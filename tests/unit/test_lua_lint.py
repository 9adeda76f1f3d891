"""The linter of our Lua finds what luacheck would find, and nothing in what is right."""

from __future__ import annotations

import pytest

from tests.support.lua_lint import Script, check, ours


def found(*files: str) -> list[str]:
    """What is to be mended in a script of these files, named a, b and so on."""
    parts = [(name, f"{text}\n") for name, text in zip("abc", files, strict=False)]
    return [str(each) for each in check([Script(parts)])]


def test_our_scripts_are_clean() -> None:
    assert len(ours()) > 20
    assert check(ours()) == []


@pytest.mark.parametrize(
    "name", ["nower", "print", "os", "redis.cal", "string.gmach", "math.random"]
)
def test_a_name_that_redis_does_not_know_is_found(name: str) -> None:
    scripts = ours()
    scripts[0].parts.insert(0, ("added.lua", f"\n{name}('PING')\n"))
    (finding,) = check(scripts)
    assert (finding.file, finding.line) == ("added.lua", 2)
    assert repr(name) in finding.message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("local x = = 1 return x", "syntax error"),
        ("if true then return 1", "syntax error"),
        ("goto done ::done::", "Lua 5.1 has no"),
        ("return 7 // 2", "Lua 5.1 has no"),
        ("return 7 ~ 2", "Lua 5.1 has no"),
        ("x = 1", "nobody declared 'x'"),
        ("return x", "nobody declared 'x'"),
        ("function x() end", "nobody declared 'x'"),
        ("local x = x return x", "nobody declared 'x'"),
        ("do local x = 1 return x end return x", "nobody declared 'x'"),
        ("repeat local x = 1 until x return x", "nobody declared 'x'"),
        ("return {[x] = 1}", "nobody declared 'x'"),
        ("for i = i, 2 do redis.log(i) end", "nobody declared 'i'"),
        ("local x = 1", "nobody reads 'x'"),
        ("local x x = 1", "nobody reads 'x'"),
        ("local function x() end", "nobody reads 'x'"),
        ("local function x(y) end return x", "nobody reads 'y'"),
        ("return function(y) end", "nobody reads 'y'"),
        ("for x, _ in pairs(ARGV) do redis.log(1) end", "nobody reads 'x'"),
        ("local x = 1 return function(x) return x end, x", "'x' hides another"),
        ("local x = 1 for x = x, 2 do redis.log(x) end return x", "'x' hides another"),
        ("local type = 1 return type", "'type' hides another"),
    ],
)
def test_what_is_wrong_is_found(source: str, message: str) -> None:
    assert any(message in each for each in found(source)), found(source)


@pytest.mark.parametrize(
    "source",
    [
        "local x = {a = 1, b = {c = 2}} return x.a, x:b(1), x['c']",
        "local x x = 1 return x",
        "local x = -- why\n1 return {-- none\nx}",
        "local x = {} x.y = 1",
        "local function f(n) return n == 0 or f(n - 1) end return f",
        "for _, word in ipairs(ARGV) do redis.call('GET', word) end",
        "repeat local x = redis.call('RPOP', KEYS[1]) until not x",
        "local _, second = unpack(ARGV) return second",
        "do local x = 1 return x end do local x = 2 return x end",
        "if ARGV[1] then local x = 1 return x else local x = 2 return x end",
    ],
)
def test_what_is_right_is_let_be(source: str) -> None:
    assert found(source) == []


def test_what_files_share_is_read_by_one_of_the_scripts() -> None:
    shared = ("shared", "local function one() end\nlocal function two() end\n")
    reads_one, reads_none = [shared, ("a", "return one\n")], [shared, ("b", "return 1\n")]
    found = check([Script(reads_one), Script(reads_none)])
    assert [str(each) for each in found] == ["shared:2: nobody reads 'two'"]


def test_findings_are_named_by_file_and_line() -> None:
    assert found("local x = 1\n", "\nreturn x, y") == ["b:2: nobody declared 'y'"]
