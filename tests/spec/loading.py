"""Recipes written on the spot, and loaded or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcli.errors import Problem, RecipeError
from ftcli.spec.recipe import Recipe, load_recipe

SOUND = '[data]\nname = "demo"\n[model]\npath = "m"\n'


def load(text: str, *settings: str, base: str | None = None) -> Recipe:
    """The recipe `a.toml`, which extends `base.toml` where there is one, under `--set` options."""
    if base is not None:
        Path("base.toml").write_text(base)
        text = 'extends = "base.toml"\n' + text
    Path("a.toml").write_text(text)
    return load_recipe(Path("a.toml"), settings)


def refused(text: str, *settings: str, base: str | None = None) -> list[Problem]:
    with pytest.raises(RecipeError) as raised:
        load(text, *settings, base=base)
    return list(raised.value.problems)
