"""The built-in data sets: one card each, a TOML file in this folder named after the data set."""

from __future__ import annotations

from pathlib import Path

from ftcli.errors import RecipeError
from ftcli.spec.card import DataCard
from ftcli.spec.nearest import did_you_mean, nearest
from ftcli.spec.problems import load_section


def builtin_folder() -> Path:
    """Return the folder the built-in cards lie in."""
    return Path(__file__).parent


def builtin_names() -> tuple[str, ...]:
    """Return the names of the built-in data sets, sorted."""
    return tuple(sorted(path.stem for path in builtin_folder().glob("*.toml")))


def load_card(name: str) -> DataCard:
    """Load the built-in card called `name`.

    Raises:
        RecipeError: There is none of that name.
    """
    names = builtin_names()
    if name not in names:
        near = nearest(name, names)
        meant = f"{did_you_mean(near)} " if near else ""
        hint = f"{meant}Built-in data sets: {', '.join(names)}"
        raise RecipeError(f"there is no built-in data set called `{name}`", hint=hint)
    return load_section(DataCard, builtin_folder() / f"{name}.toml")
