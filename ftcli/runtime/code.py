"""A user's own code: found by `module:name` in a folder, and told apart by its hash."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from ftcli.errors import RecipeError
from ftcli.spec.base import Section

Factory = Callable[..., Any]
Key = tuple[str | int, ...]


class CodeFile(Section):
    """A module that a checkpoint needs: its name, the file it was in, and what that file held (SHA-256)."""

    module: str
    file: str
    sha256: str


def make_importable(folder: Path) -> None:
    """Have modules of a folder found before all others.

    Of a module with the same name that an earlier recipe brought along from elsewhere, nothing stays.
    """
    place = str(folder.resolve())
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        ours = _file_of(folder, name)
        if ours is not None and file is not None and Path(file).resolve() != ours.resolve():
            del sys.modules[name]


def _file_of(folder: Path, module: str) -> Path | None:
    base = folder.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def find_factory(address: str, *, key: Key) -> Factory:
    """What a recipe's `module:name` means.

    Args:
        address: The module, found as Python finds modules (see `make_importable`), and a name in it.
        key: The recipe's key that names it, for errors.

    Raises:
        RecipeError: there is no such module, it fails, or it has nothing callable of that name.
    """
    module_name, _, name = address.partition(":")
    if not module_name or not name:
        raise RecipeError(f"`{address}` names no code", hint='write "module:name", as in "heads:BiLSTM"', key=key)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise RecipeError(_missing(module_name, error), hint=_where(), key=key) from error
    except Exception as error:
        raise RecipeError(f"the code of `{module_name}` fails: {type(error).__name__}: {error}", key=key) from error
    found = getattr(module, name, None)
    if not callable(found):
        near = difflib.get_close_matches(name, [each for each in vars(module) if not each.startswith("_")], n=1)
        hint = f"did you mean `{module_name}:{near[0]}`?" if near else None
        raise RecipeError(f"{module.__file__} has no function or class `{name}`", hint=hint, key=key)
    return cast("Factory", found)


def _missing(module: str, error: ModuleNotFoundError) -> str:
    if error.name is not None and module.split(".")[0] != error.name.split(".")[0]:
        return f"the code of `{module}` needs the package `{error.name}`, which is not installed"
    return f"there is no Python module `{module}`"


def _where() -> str:
    return f"it was looked for in {sys.path[0]} first; `--code DIR` says where else"


def describe_code(addresses: Iterable[str]) -> list[CodeFile]:
    """The files that some factories, which have been found, stand in."""
    modules = sorted({address.partition(":")[0] for address in addresses})
    files = {name: Path(str(sys.modules[name].__file__)) for name in modules}
    return [CodeFile(module=name, file=str(path), sha256=_digest(path)) for name, path in files.items()]


def absent_code(files: Iterable[CodeFile]) -> list[CodeFile]:
    """Of the files that a checkpoint needs, those that can't be found."""
    return [each for each in files if _origin(each.module) is None]


def changed_code(files: Iterable[CodeFile]) -> list[CodeFile]:
    """Of the files that a checkpoint needs, those that hold something else by now."""
    origins = [(each, _origin(each.module)) for each in files]
    return [each for each, path in origins if path is not None and _digest(path) != each.sha256]


def _origin(module: str) -> Path | None:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # its package
        return None
    return Path(found.origin) if found is not None and found.origin else None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
