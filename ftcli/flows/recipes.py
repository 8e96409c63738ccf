"""A recipe, with what can be told of its data and its model before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from ftcli.data.catalog import load_card
from ftcli.errors import Problem, RecipeError
from ftcli.flows.tensorboard import check_installed
from ftcli.modeling.places import resolve_path
from ftcli.spec.recipe import Recipe, load_recipe


def open_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe, and look for the built-in data set and the packages it names; other models show when loaded.

    Raises:
        RecipeError: with every problem found, each located.
    """
    return load_recipe(path, settings, check=_absent)


def _absent(recipe: dict[str, Any]) -> Iterator[Problem]:
    name = _text(recipe, "data", "name")
    if name and not name.endswith(".toml"):
        yield from _refusal(load_card, name, ("data", "name"))
    for key in ("path", "tokenizer"):
        address = _text(recipe, "model", key)
        if address.startswith("package:"):
            yield from _refusal(resolve_path, address, ("model", key))

    if _value(recipe, "log", "tensorboard") is True:
        yield from _refusal(check_installed, "tensorboard", ("log", "tensorboard"))


def _text(recipe: dict[str, Any], section: str, key: str) -> str:
    value = _value(recipe, section, key)
    return value if isinstance(value, str) else ""


def _value(recipe: dict[str, Any], section: str, key: str) -> object:
    table = recipe.get(section)
    return cast("dict[str, object]", table).get(key) if isinstance(table, dict) else None


def _refusal(find: Callable[[str], object], value: str, key: tuple[str, str]) -> Iterator[Problem]:
    try:
        find(value)
    except RecipeError as error:
        yield from (Problem(problem.what, problem.where, problem.hint, key) for problem in error.problems)
