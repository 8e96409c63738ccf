"""Which keys of a recipe name code of the user's own, and what must hold of them before it is looked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from ftcli.errors import Problem

Key = tuple[str, ...]
MODEL_FACTORIES = (("task", "factory"), ("task", "loss"), ("model", "head_factory"), ("evaluate", "factory"))
"""What scoring rows needs, too."""
FACTORIES = (*MODEL_FACTORIES, ("optimizer", "factory"), ("data", "format", "factory"))
_NONE = ("auto", "off", None)


def factories_in(recipe: dict[str, Any], keys: Sequence[Key] = FACTORIES) -> Iterator[str]:
    """Every `module:name` in a recipe's plain values, under some keys."""
    yield from (address for _, address in _named_in(recipe, keys))


def _named_in(recipe: dict[str, Any], keys: Sequence[Key]) -> Iterator[tuple[Key, str]]:
    for key in keys:
        value = _value_at(recipe, key)
        if isinstance(value, str) and value not in _NONE:
            yield key, value


def _value_at(recipe: dict[str, Any], key: Key) -> Any:
    value: Any = recipe
    for part in key:
        value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def code_is_named_well(recipe: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with the names of the user's own code, and with keys that they make void."""
    for key, address in _named_in(recipe, FACTORIES):
        if not re.fullmatch(r"[\w.]+:\w+", address):
            hint = 'write "module:name", as in "heads:BiLSTM" for BiLSTM in heads.py'
            yield Problem(f'`{".".join(key)}` = "{address}" names no code', hint=hint, key=key)
    model = _value_at(recipe, ("model",))
    if isinstance(model, dict) and model.get("head_factory", "off") != "off" and "head" not in model:
        hint = 'set model.head = "custom"'
        yield Problem(
            "`model.head_factory` makes a head of your own, and it is not asked for",
            hint=hint,
            key=("model", "head_factory"),
        )
    task = _value_at(recipe, ("task",))
    if isinstance(task, dict) and task.get("loss", "auto") != "auto":
        for name, default in (("label_smoothing", 0.0), ("focal_gamma", "off")):
            if task.get(name, default) != default:
                what = f'`task.{name}` shapes the loss that `task.loss` = "{task["loss"]}" stands in for'
                yield Problem(what, hint="keep one of them", key=("task", name))
