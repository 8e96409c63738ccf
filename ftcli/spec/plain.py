"""Plain data of a recipe, whose values may be of any type: what is not as expected is passed over."""

from __future__ import annotations

from typing import Any, cast

Table = dict[str, Any]


def table_in(data: Table, name: str) -> Table:
    """The table of that name, or an empty one."""
    found = data.get(name)
    return cast("Table", found) if isinstance(found, dict) else {}


def as_number(value: object) -> float | None:
    """The value if it is a number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
