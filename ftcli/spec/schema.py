"""The recipe's JSON Schema (draft 2020-12), for editors: every key with its type, bounds, default and description.

It is made of RunSpec, and says what RunSpec says of each key; values that contradict each other are beyond it. Three
things differ from what pydantic makes of a model. References are resolved, so that a key's description is where the
key is. A table that comes in kinds is one table with the keys of all, of which its `kind` allows some, so that an
editor can tell which key is wrong. And a recipe that `extends` another need not repeat what that one says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from ftcli.spec.run import RunSpec

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXTENDS: Schema = {
    "type": "string",
    "description": "The recipe to inherit from, beside this one: tables merge, arrays replace, and what is here wins.",
    "examples": ["afqmc.toml"],
}


def recipe_schema() -> Schema:
    """What a recipe may say, as plain data."""
    found = RunSpec.model_json_schema(schema_generator=_TomlSchema)
    spec, needed = _parted(_resolved(found, found.pop("$defs")))
    return {
        "$schema": DIALECT,
        "title": "ftcli recipe",
        **spec,
        "description": "What ftcli is asked to do; `ftcli explain` tells the same on a terminal.",
        "properties": {"extends": EXTENDS, **spec["properties"]},
        "if": {"required": ["extends"]},
        "else": needed,
    }


def kinds_of(table: Schema) -> dict[str, list[str]]:
    """The keys that each kind of a table allows, by kind; empty where the table comes in no kinds."""
    clauses = cast("list[Schema]", table.get("allOf", []))
    return {each["if"]["properties"]["kind"]["const"]: each["then"]["propertyNames"]["enum"] for each in clauses}


class _TomlSchema(GenerateJsonSchema):
    """TOML has no null, and keys stay in the order of the models."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        found = super().default_schema(schema)
        if factory := schema.get("default_factory"):
            found["default"] = cast("Callable[[], object]", factory)()
        return {key: value for key, value in found.items() if value is not None}

    def sort(self, value: Schema, parent_key: str | None = None) -> Schema:  # noqa: ARG002 - a hook's shape
        return value


def _resolved(schema: Any, models: Schema) -> Any:
    """The schema with each reference replaced by what it refers to, and each table of kinds made one."""
    if isinstance(schema, list):
        return [_resolved(item, models) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    found = cast("Schema", schema)
    if "$ref" in found:
        model = models[found["$ref"].rpartition("/")[2]]
        found = {**model, **{key: value for key, value in found.items() if key not in ("$ref", "default")}}
    found = {key: _resolved(value, models) for key, value in found.items() if key != "title"}
    if isinstance(text := found.get("description"), str):
        found["description"] = " ".join(text.split())
    return _one_table(found) if "oneOf" in found else found


def _one_table(union: Schema) -> Schema:
    """A table that comes in kinds, as one; what its kinds must have is left under `needed`."""
    variants = {each["properties"]["kind"]["const"]: each for each in cast("list[Schema]", union["oneOf"])}
    usual = str(union["default"]["kind"])
    properties: Schema = {}
    for each in variants.values():
        properties.update({key: value for key, value in each["properties"].items() if key not in properties})
    kind = {
        "enum": list(variants),
        "default": usual,
        "description": properties.pop("kind")["description"],
        "x-taplo": {"docs": {"enumValues": [each["description"] for each in variants.values()]}},
    }
    keys = {name: {"propertyNames": {"enum": list(each["properties"])}} for name, each in variants.items()}
    needed = {name: {"required": each["required"]} for name, each in variants.items() if "required" in each}
    return {
        "type": "object",
        "description": union["description"],
        "properties": {"kind": kind, **properties},
        "additionalProperties": False,
        "allOf": [_if_kind(name, clause) for name, clause in keys.items()],
        "needed": [
            {"if": {"not": {"required": ["kind"]}}, "then": keys[usual]},
            *(_if_kind(name, clause) for name, clause in needed.items()),
        ],
    }


def _if_kind(name: str, clause: Schema) -> Schema:
    return {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": clause}


def _parted(table: Schema) -> tuple[Schema, Schema]:
    """What a table may have, and what it and the tables within it must have, which another recipe may say for it."""
    free = {key: value for key, value in table.items() if key not in ("required", "needed")}
    needed: Schema = {}
    if "required" in table:
        needed["required"] = table["required"]
    if "needed" in table:
        needed["allOf"] = table["needed"]
    if "properties" in table:
        parts = {key: _parted(value) for key, value in cast("Schema", table["properties"]).items()}
        free["properties"] = {key: part for key, (part, _) in parts.items()}
        if inner := {key: part for key, (_, part) in parts.items() if part}:
            needed["properties"] = inner
    return free, needed
