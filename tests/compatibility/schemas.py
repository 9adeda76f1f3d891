"""Whether one JSON Schema allows all that another allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_ALIKE = ("pattern", "format")


def narrowed(wide: Schema, narrow: Schema) -> list[str]:
    """Where `wide` refuses what `narrow` allows, each in a sentence; none if it covers it.

    Both are whole schemas as pydantic writes them. What is new in `narrow` is allowed where `wide`
    does not refuse unknown fields.
    """
    return list(_Comparison(wide, narrow).differences(wide, narrow, "it"))


class _Comparison:
    def __init__(self, wide: Schema, narrow: Schema) -> None:
        self._wide, self._narrow = wide.get("$defs", {}), narrow.get("$defs", {})

    def differences(self, wide: Schema, narrow: Schema, where: str) -> Iterator[str]:
        allowed = _alternatives(wide, self._wide)
        for each in _alternatives(narrow, self._narrow):
            found = [list(self._of_one(one, each, where)) for one in allowed]
            # The alternative that differs least says best what is wrong.
            yield from min(found, key=len)

    def _of_one(self, wide: Schema, narrow: Schema, where: str) -> Iterator[str]:
        values, wanted = _values(wide), _values(narrow)
        if values is not None and (wanted is None or not set(wanted) <= set(values)):
            yield f"{where} no longer has all of {wanted or 'any value'}"
        kind, wanted_kind = wide.get("type"), narrow.get("type")
        if kind not in {None, wanted_kind} and (kind, wanted_kind) != ("number", "integer"):
            yield f"{where} was {wanted_kind or 'of any type'} and is {kind}"
            return
        for limits, sign in ((_UPPER, 1), (_LOWER, -1)):
            for name in limits:
                limit, before = wide.get(name), narrow.get(name)
                if limit is not None and (before is None or sign * limit < sign * before):
                    yield f"{where}: {name} was {before} and is {limit}"
        for name in _ALIKE:
            if name in wide and wide[name] != narrow.get(name):
                yield f"{where}: {name} was {narrow.get(name)} and is {wide[name]}"
        if "items" in wide:
            yield from self.differences(wide["items"], narrow.get("items", {}), f"{where}[]")
        yield from self._of_fields(wide, narrow, where)

    def _of_fields(self, wide: Schema, narrow: Schema, where: str) -> Iterator[str]:
        fields, wanted = wide.get("properties", {}), narrow.get("properties", {})
        for name in wide.get("required", []):
            if name not in narrow.get("required", []):
                yield f"{where}.{name} is not always there"
        others = wide.get("additionalProperties", True)
        for name, field in wanted.items():
            if name in fields:
                yield from self.differences(fields[name], field, f"{where}.{name}")
            elif others is False:
                yield f"{where}.{name} is gone"
        others_before = narrow.get("additionalProperties", True)
        if isinstance(others, dict) and others_before is not False:
            before = others_before if isinstance(others_before, dict) else {}
            yield from self.differences(others, before, f"{where}.*")


def _alternatives(schema: Schema, definitions: Schema) -> list[Schema]:
    if "$ref" in schema:
        return _alternatives(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return [each for one in schema["anyOf"] for each in _alternatives(one, definitions)]
    return [schema]


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def opened(schema: Any) -> Any:
    """The schema, so that it allows fields that it does not name."""
    if isinstance(schema, list):
        return [opened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: opened(value)
        for name, value in schema.items()
        if not (name == "additionalProperties" and value is False)
    }
