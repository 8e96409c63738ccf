"""Code of the user's own in a run: where it is looked for, and the head that it makes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ftcli.modeling.heads import BuildHead
from ftcli.runtime.code import find_factory, make_importable

NOWHERE = "auto"
"""What stands for the folder of a recipe that names no code."""


def look_in(folder: str) -> None:
    """Have a recipe's own code found from here on."""
    if folder != NOWHERE:
        make_importable(Path(folder))


def head_builder(factory: str, options: dict[str, Any]) -> BuildHead | None:
    """What makes a head of the user's own; None for "off".

    Raises:
        RecipeError: there is no such code.
    """
    if factory == "off":
        return None
    return partial(find_factory(factory, key=("model", "head_factory")), **options)
