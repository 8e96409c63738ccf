"""The reference of the recipe's keys, made of its schema: what `ftcli explain` shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ftcli.errors import UsageError
from ftcli.spec.dump import toml_table, toml_value
from ftcli.spec.relations import relations_of
from ftcli.spec.run import RunSpec
from ftcli.spec.schema import Schema, kinds_of, recipe_schema
from ftcli.spec.suggestion import meant

Trail = tuple[tuple[str, Schema], ...]
"""The keys on the way to one, each with its schema."""

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "a table",
}
_MANY = {"string": "texts", "number": "numbers", "object": "tables"}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One key, or one table of keys.

    `key` is its path (`freeze.stages.at`), `takes` its type, bounds and words in words; `default` and `example` are
    TOML. `kinds` are those of its table that allow it, where not all do. `relations` tell what holds between it and
    other keys. A table has `keys`, and where it comes in kinds `choices`: each with what it is.
    """

    key: str
    description: str
    takes: str
    default: str | None
    example: str | None
    kinds: tuple[str, ...]
    relations: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]
    keys: tuple[Entry, ...]


def sections() -> tuple[Entry, ...]:
    """`extends` and the tables that a recipe is made of, in their order."""
    return tuple(_entry(((name, schema),)) for name, schema in recipe_schema()["properties"].items())


def every_key() -> Iterator[Entry]:
    """The tables of a recipe and all keys in them, in their order."""

    def within(entries: tuple[Entry, ...]) -> Iterator[Entry]:
        for entry in entries:
            yield entry
            yield from within(entry.keys)

    return within(sections())


def entry_of(key: str) -> Entry:
    """What there is to say of a key or a table of a recipe.

    Args:
        key: Its path, such as `freeze.cache` or `freeze.stages[0].at`.

    Raises:
        UsageError: there is no such key.
    """
    trail, schema = Trail(), recipe_schema()
    for name in re.sub(r"\[\d*\]", "", key).split("."):
        properties = _properties(schema)
        if name not in properties:
            path = (*(name for name, _ in trail), name)
            what = f"a recipe has no key `{'.'.join(path)}`"
            is_leaf = bool(trail) and not properties
            hint = f"`{'.'.join(path[:-1])}` is {_takes(schema)}" if is_leaf else meant(path, RunSpec)
            raise UsageError(what, hint=hint)
        schema = properties[name]
        trail = (*trail, (name, schema))
    return _entry(trail)


def types_of(key: str) -> frozenset[str]:
    """What JSON calls the types that a key may have ("integer", ...); none of a key that no schema knows."""
    schema = recipe_schema()
    for name in key.split("."):
        schema = _properties(schema).get(name, {})
    return frozenset(form["type"] for form in schema.get("anyOf", [schema]) if "type" in form)


def _entry(trail: Trail) -> Entry:
    name, schema = trail[-1]
    key = ".".join(name for name, _ in trail)
    kinds = kinds_of(trail[-2][1]) if len(trail) > 1 else {}
    allowing = tuple(kind for kind, keys in kinds.items() if name in keys)
    return Entry(
        key=key,
        description=schema["description"],
        takes=_takes(schema),
        default=toml_value(schema["default"]) if "default" in schema else None,
        example=_example(trail, allowing if len(allowing) < len(kinds) else ()),
        kinds=allowing if len(allowing) < len(kinds) else (),
        relations=tuple(relations_of(key)),
        choices=_choices(schema["properties"]["kind"]) if kinds_of(schema) else (),
        keys=tuple(_entry((*trail, inner)) for inner in _properties(schema).items()),
    )


def _properties(schema: Schema) -> dict[str, Schema]:
    """The keys of the table that a value may be, or be an array of."""
    forms = [schema, schema.get("items", {}), *schema.get("anyOf", ())]
    return {key: value for form in forms for key, value in form.get("properties", {}).items()}


def _choices(kind: Schema) -> tuple[tuple[str, str], ...]:
    return tuple(zip(kind["enum"], kind["x-taplo"]["docs"]["enumValues"], strict=True))


def _takes(schema: Schema) -> str:
    """What a value may be: `a whole number > 0 or "auto"`."""
    found = list(dict.fromkeys(word for form in schema.get("anyOf", [schema]) for word in _forms(form)))
    return " or ".join(filter(None, [", ".join(found[:-1]), found[-1]]))


def _forms(form: Schema) -> Iterator[str]:
    if words := form.get("enum", [form["const"]] if "const" in form else []):
        yield from map(toml_value, words)
        return
    inner: Schema | bool = form.get("items", form.get("additionalProperties", False))
    many = "" if isinstance(inner, bool) else f" of {_MANY[inner['type']]}{_bounds(inner)}"
    yield "one character" if form.get("maxLength") == 1 else f"{_TYPES[form['type']]}{many}{_bounds(form)}"


def _bounds(form: Schema) -> str:
    found = [f"{sign} {form[bound]}" for bound, sign in _BOUNDS.items() if bound in form]
    return f" {' and '.join(found)}" if found else ""


def _example(trail: Trail, kinds: tuple[str, ...]) -> str | None:
    """The key as it may stand in a recipe, under its table; none for a section, which is its keys."""
    section, whole = trail[0]
    value: Any = _example_value(trail[-1][1])
    if len(trail) == 1:
        return f"{section} = {toml_value(value)}" if whole["type"] == "string" else None
    for (_, above), (name, _) in reversed(list(pairwise(trail))):
        items = above.get("items", {})
        needed = {key: _example_value(items["properties"][key]) for key in items.get("required", ())}
        value = [{**needed, name: value}] if items else {name: value}
    if kinds:
        value = {"kind": kinds[0], **value}
    return toml_table(section, value).strip()


def _example_value(schema: Schema) -> Any:
    """An example that was given, or else something beside the default."""
    default = schema.get("default")
    others = schema.get("enum", [True, False] if schema.get("type") == "boolean" else [])
    return [*schema.get("examples", ()), *(other for other in others if other != default), default][0]
