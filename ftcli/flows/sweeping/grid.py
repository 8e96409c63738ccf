"""The settings of a sweep: what its grids span, in their order, and what each is called."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ftcli.errors import FtcliError, Location, Problem, RecipeError, UsageError
from ftcli.flows.recipes import open_recipe
from ftcli.spec.dump import toml_value
from ftcli.spec.recipe import Recipe
from ftcli.spec.wording import counted

_NEVER_VARIED = {
    "run": "name the key in it: run.device",
    "run.seed": "ask for more seeds: --seeds N",
    "run.dir": "each run has a folder of its own under --sweep-dir",
    "run.name": "runs are called by their setting and seed",
    "train.stop_after": "end each run where its schedule ends: train.steps",
    "evaluate.best": "runs are compared by one metric: --set evaluate.best=NAME",
}
_LONGEST_NAME = 40
_EXAMPLE = "--grid 'optimizer.lr=[1e-5, 2e-5]', and text in quotes: --grid 'schedule.kind=[\"linear\", \"cosine\"]'"


@dataclass(frozen=True, slots=True)
class Setting:
    """Values of some keys of the recipe, as TOML; its name says them, and is part of folders' names.

    `flag` is the option by which the user has asked for them.
    """

    name: str
    values: tuple[tuple[str, str], ...]
    flag: str = "--grid"

    @property
    def options(self) -> list[str]:
        """The values as they follow `--set`."""
        return [f"{key}={value}" for key, value in self.values]

    @property
    def plain(self) -> dict[str, Any]:
        """The values by their keys, no longer TOML."""
        return {key: tomllib.loads(f"value = {value}")["value"] for key, value in self.values}


Axis = tuple[str, list[Any]]


def parse_grids(grids: Sequence[str], *, trials: int | None = None) -> list[Setting]:
    """All settings that grids of `key=[values]` span; the last grid varies fastest.

    Args:
        grids: Each a key and its values in TOML.
        trials: Take only so many of the settings, drawn alike each time: of two numbers, the larger has them all.

    Raises:
        UsageError: one of them is no such list, or two are of the same key.
    """
    axes = [_parse(grid) for grid in grids]
    keys = [key for key, _ in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise UsageError(f"`{key}` is in two grids", hint="put all of its values into one list")
    settings = [setting_of(dict(zip(keys, values, strict=True))) for values in itertools.product(*(v for _, v in axes))]
    return settings if trials is None else some_of(settings, trials)


def some_of(settings: Sequence[Setting], number: int) -> list[Setting]:
    """So many of the settings, or all, in their order; drawn alike each time."""
    drawn = random.Random(0).sample(range(len(settings)), len(settings))[:number]
    return [settings[place] for place in sorted(drawn)]


def _parse(grid: str) -> Axis:
    where, (key, _, text) = Location(f"--grid {grid}"), grid.partition("=")
    key = key.strip()
    values = parse_values(text, where)
    if not values or not key:
        raise UsageError("a grid is a key and a list of its values in TOML", where=where, hint=_EXAMPLE)
    if way := way_without(key):
        raise UsageError(f"`{key}` can't be in a grid", where=where, hint=way)
    return key, values


def parse_values(text: str, where: Location) -> list[Any] | None:
    """The values of a list in TOML; None where the text is no such list.

    Raises:
        UsageError: one of them is there twice.
    """
    try:
        values = cast("object", tomllib.loads(f"values = {text}")["values"])
    except tomllib.TOMLDecodeError:
        return None
    if not isinstance(values, list):
        return None
    found = cast("list[Any]", values)
    if twice := [value for value in found if found.count(value) > 1]:
        raise UsageError(f"{toml_value(twice[0])} is in the list twice", where=where, hint="name each value once")
    return found


def way_without(key: str) -> str | None:
    """What to do about a key in which the runs of a sweep can't differ; None of the others."""
    return _NEVER_VARIED.get(key)


def setting_of(values: dict[str, Any], *, flag: str = "--grid") -> Setting:
    """The setting with these values of these keys; `flag` is the option that has them."""
    last = [key.rpartition(".")[2] for key in values]
    parts = [
        f"{name if last.count(name) == 1 else key}={_shown(value)}"
        for name, (key, value) in zip(last, values.items(), strict=True)
    ]
    written = tuple((key, toml_value(value)) for key, value in values.items())
    return Setting(",".join(parts) or "recipe", written, flag)


def _shown(value: object) -> str:
    """A value in a folder's name; one that loses something by that has a hash of it behind."""
    text = value if isinstance(value, str) else toml_value(value)
    safe = re.sub(r"[^\w.+-]+", "-", text, flags=re.ASCII).strip("-")
    if safe == text and len(safe) <= _LONGEST_NAME:
        return safe
    return f"{safe[:_LONGEST_NAME].strip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def open_recipes(path: Path, options: Sequence[str], settings: Sequence[Setting]) -> list[Recipe]:
    """The recipe under each setting.

    Args:
        path: The recipe.
        options: What is changed in all of them, as after `--set`.
        settings: The settings.

    Raises:
        RecipeError: with every problem of any setting, each once.
    """
    recipes, found = list[Recipe](), dict[Problem, list[Setting]]()
    for setting in settings:
        try:
            recipes.append(open_recipe(path, [*options, *setting.options]))
        except RecipeError as error:
            for problem in _as_asked(error, setting):
                found.setdefault(problem, []).append(setting)
    if found:
        raise RecipeError([_naming(problem, having, settings) for problem, having in found.items()])
    return recipes


def _as_asked(error: FtcliError, setting: Setting) -> list[Problem]:
    """The error's problems, with what the setting says shown as the user has asked for it."""
    asked = {f"--set {option}": Location(f"{setting.flag} {option}") for option in setting.options}
    return [
        replace(problem, where=asked.get(problem.where.file, problem.where)) if problem.where else problem
        for problem in error.problems
    ]


def _naming(problem: Problem, having: Sequence[Setting], settings: Sequence[Setting]) -> Problem:
    """The problem with the setting that has it, unless its place says all: each setting with that value has it."""
    place = problem.where.file.removeprefix(f"{settings[0].flag} ") if problem.where else ""
    alike = [setting for setting in settings if place in setting.options] or settings
    if len(alike) == len(having):
        return problem
    more = f" and {counted(len(having) - 1, 'more setting')}" if len(having) > 1 else ""
    return replace(problem, what=f"{problem.what} (in the setting {having[0].name}{more})")
