"""What several layers of a recipe say together: what it extends, the recipe itself, and `--set` options over both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ftcli.spec.contradictions import OWN_FILES
from ftcli.spec.document import Document
from ftcli.spec.processes import SPLIT_KEYS
from ftcli.spec.run import RunSpec
from ftcli.spec.suggestion import models_at

_ALTERNATIVES: dict[str, dict[str, tuple[str, ...]]] = {
    "batch": {name: (name,) for name in ("micro_size", "max_tokens", "accumulation")},
    "data": {"name": ("name",), "train": OWN_FILES},
}
"""Keys that make a choice, with what belongs to each. A later layer's choice replaces an earlier one's."""


def stacked(layers: Sequence[Document]) -> dict[str, Any]:
    """The data of all layers, the last winning."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if not layer.flag:
            merged = merge(merged, layer.data)
    merged = merge(merged, together([layer for layer in layers if layer.flag]), keeps=True)
    return {name: value for name, value in merged.items() if name != "extends"}


def together(layers: Sequence[Document]) -> dict[str, Any]:
    """Documents that make one layer: of equals the last counts, and none discards what another says."""
    result: dict[str, Any] = {}
    for layer in layers:
        result = _overlaid(result, layer.data)
    return result


def _overlaid(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    result = dict(lower)
    for name, value in upper.items():
        below = result.get(name)
        both = isinstance(value, dict) and isinstance(below, dict)
        result[name] = _overlaid(cast("dict[str, Any]", below), cast("dict[str, Any]", value)) if both else value
    return result


def merge(lower: dict[str, Any], upper: dict[str, Any], table: str = "", *, keeps: bool = False) -> dict[str, Any]:
    """`upper` over `lower`: tables merge, arrays and values replace, a changed `kind` discards the lower table.

    Args:
        lower: What is beneath.
        upper: What wins.
        table: The name of the table that both are.
        keeps: Whether a changed kind keeps what it knows as well, but its options.
    """
    if table and "kind" in upper and upper["kind"] != lower.get("kind", _default_kind(table)):
        known = _keys_of(table, upper["kind"]) - {"options"} if keeps else set[str]()
        return {**{name: value for name, value in lower.items() if name in known}, **upper}
    result = {name: value for name, value in lower.items() if name not in _replaced(table, upper)}
    for name, value in upper.items():
        below = result.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            result[name] = merge(cast("dict[str, Any]", below), cast("dict[str, Any]", value), name, keeps=keeps)
        else:
            result[name] = value
    return result


def _default_kind(table: str) -> object:
    field = RunSpec.model_fields.get(table)
    return getattr(field.default, "kind", None) if field else None


def _keys_of(table: str, kind: object) -> set[str]:
    """The keys of a table of that kind; none where there is no such kind, or the table comes in no kinds."""
    sections = (section.model_fields for section in models_at(RunSpec, (table,)))
    return {name for fields in sections if "kind" in fields and fields["kind"].default == kind for name in fields}


def _replaced(table: str, upper: dict[str, Any]) -> set[str]:
    """The lower keys that a choice in `upper` stands in for, or that say nothing beside it."""
    if table == "distributed" and upper.get("strategy") == "ddp":
        return set(SPLIT_KEYS)
    choices = _ALTERNATIVES.get(table, {})
    chosen = [choice for choice in choices if upper.get(choice, "off") != "off"]
    return {name for choice, names in choices.items() if chosen and choice not in chosen for name in names}
