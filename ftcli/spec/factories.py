"""Which keys of a recipe name code of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

MODEL_FACTORIES = (("task", "factory"), ("task", "loss"), ("model", "head_factory"), ("evaluate", "factory"))
"""What scoring rows needs, too."""
FACTORIES = (*MODEL_FACTORIES, ("optimizer", "factory"), ("data", "format", "factory"))
_NONE = ("auto", "off", None)


def factories_in(recipe: dict[str, Any], keys: Sequence[tuple[str, ...]] = FACTORIES) -> Iterator[str]:
    """Every `module:name` in a recipe's plain values, under some keys."""
    for key in keys:
        value: Any = recipe
        for part in key:
            value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
        if isinstance(value, str) and value not in _NONE:
            yield value
