"""A RunSpec back to TOML: every value in force, in the order of the recipe's reference."""

from __future__ import annotations

import json
from typing import Any, cast

from ftcli.spec.run import RunSpec


def dump_recipe(spec: RunSpec) -> str:
    """The resolved recipe as TOML text; reading it gives an equal spec."""
    data = spec.model_dump(mode="json", exclude_none=True)
    data["train"].pop("stop_after")  # belongs to one invocation
    return "\n".join(toml_table(name, values) for name, values in data.items())


def toml_table(name: str, values: dict[str, Any]) -> str:
    """A table as TOML, its kind first and its arrays of tables last."""
    values = {key: values[key] for key in sorted(values, key=lambda key: key != "kind")}
    plain = {key: value for key, value in values.items() if not _is_array_of_tables(value)}
    lines = [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in plain.items()), ""] if plain else []
    for key, items in values.items():
        if _is_array_of_tables(items):
            for item in items:
                lines += [f"[[{name}.{key}]]", *(f"{k} = {toml_value(v)}" for k, v in item.items()), ""]
    return "\n".join(lines)


def _is_array_of_tables(value: object) -> bool:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return bool(items) and all(isinstance(item, dict) for item in items)


def toml_value(value: object) -> str:
    """A plain value as TOML writes it on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        if "\\" in value and "'" not in value and value.isprintable():
            return f"'{value}'"  # a regular expression stays as it is
        # A JSON string is a TOML basic string; DEL is the one character TOML wants escaped and JSON does not.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in cast('list[object]', value))}]"
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in items) + " }" if items else "{}"
    return repr(value)
