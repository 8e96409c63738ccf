"""Where a model lies: in a folder, in an installed package, or at a hub. It takes no torch to tell."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ftcli.errors import RecipeError


def resolve_path(path: str, *, key: tuple[str, ...] = ("model", "path")) -> str:
    """A folder's path, or a hub id unchanged.

    Raises:
        RecipeError: the folder or package is not there.
    """
    if path.startswith("package:"):
        return str(_package_folder(path.removeprefix("package:"), key))
    folder = Path(path).expanduser()
    if folder.is_dir():
        return str(folder)
    if path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise RecipeError(f"no such model folder: {path}", hint="paths start from the working directory", key=key)
    return path


def _package_folder(address: str, key: tuple[str, ...]) -> Path:
    name, _, inside = address.partition("/")
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        hint = f"pip install {name.replace('_', '-')}"
        raise RecipeError(f"the package `{name}`, which holds the model, is not installed", hint=hint, key=key)
    folder = Path(found.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise RecipeError(f"the package `{name}` has no folder `{inside}`", key=key)
    return folder
