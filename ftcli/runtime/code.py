"""A user's own code: found by `module:name` in a folder.

One folder at a time is the recipe's. It stands first in `sys.path`; when another takes its place, the modules that came
from it go with it, so that recipes in several folders may call their modules alike.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from ftcli.errors import Location, RecipeError
from ftcli.spec.nearest import did_you_mean, nearest

Factory = Callable[..., Any]
Key = tuple[str | int, ...]
NOWHERE = "auto"
"""What stands for the folder of a recipe that names no code."""
_DIGEST = "__ftcli_sha256__"
"""What of a module of the user's own says which source it was made from; the file may have changed since."""


class CodeFolder(str):
    """An entry of `sys.path` that is a recipe's folder; `before` names the modules that were there before it was."""

    before: frozenset[str]

    def _places_of(self, module: str) -> tuple[Path, Path]:
        base = Path(self).joinpath(*module.split("."))
        return base.with_name(f"{base.name}.py"), base / "__init__.py"

    def file_of(self, module: str) -> Path | None:
        """The file in this folder that a module of this name has, if there is one."""
        return next((path for path in self._places_of(module) if path.is_file()), None)

    def names(self) -> list[str]:
        """The modules that have been imported from here, packages without a file of their own among them."""
        new = [(name, each) for name, each in sys.modules.items() if name.partition(".")[0] not in self.before]
        return [name for name, each in new if self._is_home_of(name, each)]

    def _is_home_of(self, name: str, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        if file is None:
            return str(Path(self).joinpath(*name.split("."))) in getattr(module, "__path__", ())
        return Path(file) in self._places_of(name)

    def modules(self) -> Iterator[tuple[ModuleType, Path]]:
        """What has been imported from here, each with its file, which may be gone by now."""
        for module in [sys.modules[name] for name in self.names()]:
            if module.__file__ is not None:
                yield module, Path(module.__file__)


def code_folder() -> CodeFolder | None:
    """The folder where a recipe's own code is looked for first, if it has any."""
    return next((entry for entry in sys.path if isinstance(entry, CodeFolder)), None)


def make_importable(folder: Path) -> None:
    """Have modules of a folder found before all others, in place of those of the folder before it.

    Of a folder that is there already, what has changed since it was imported is imported anew.

    Raises:
        RecipeError: there is no such folder.
    """
    place, last = CodeFolder(folder.resolve()), code_folder()
    if not folder.is_dir():
        hint = "say where it is now: --code DIR"
        what = f"there is no folder {folder} to look for the recipe's code in"
        raise RecipeError(what, hint=hint, key=("run", "code"))
    if last is not None:
        if last == place and not any(_is_stale(module, path) for module, path in last.modules()):
            return
        leave_code_folder()
    place.before = frozenset(name.partition(".")[0] for name in sys.modules)
    sys.path.insert(0, place)
    importlib.invalidate_caches()


def leave_code_folder() -> None:
    """Have nothing found, nor taken as found, that came from a recipe's folder."""
    last = code_folder()
    for name in last.names() if last is not None else ():
        del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if not isinstance(entry, CodeFolder)]


def _is_stale(module: ModuleType, path: Path) -> bool:
    return not path.is_file() or digest_of(module, path) != digest(path)


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_of(module: ModuleType, path: Path) -> str:
    """The SHA-256 of the source that a module was made from, which is in `path` unless it was edited since."""
    return getattr(module, _DIGEST, None) or digest(path)


def look_in(folder: str) -> None:
    """Have a recipe's own code found from here on.

    Raises:
        RecipeError: there is no such folder.
    """
    if folder != NOWHERE:
        make_importable(Path(folder))


def find_factory(address: str, *, key: Key) -> Factory:
    """What a recipe's `module:name` means.

    Args:
        address: The module, found as Python finds modules (see `make_importable`), and a name in it.
        key: The recipe's key that names it, for errors.

    Raises:
        RecipeError: there is no such module, it fails, or it has nothing callable of that name.
    """
    module_name, _, name = address.partition(":")
    if not re.fullmatch(r"[\w.]+:\w+", address):
        hint = 'write "module:name", as in "heads:BiLSTM" for BiLSTM in heads.py'
        raise RecipeError(f"`{address}` names no code", hint=hint, key=key)
    module = _imported(module_name, key)
    found = getattr(module, name, None)
    if not callable(found):
        near = nearest(name, (each for each in vars(module) if not each.startswith("_")))
        hint = did_you_mean(f"{module_name}:{near}") if near else None
        where = module.__file__ or f"the module `{module_name}`"
        raise RecipeError(f"{where} has no function or class `{name}`", hint=hint, key=key)
    return cast("Factory", found)


def _imported(name: str, key: Key) -> ModuleType:
    folder = code_folder()
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise RecipeError(f"there is no Python module `{name}`", hint=_where(name, folder), key=key) from error
        what = f"the code of `{name}` needs `{error.name}`, which is not there"
        raise RecipeError(what, where=place_in(error), hint="is it installed, or beside that file?", key=key) from error
    except Exception as error:
        text = error.msg if isinstance(error, SyntaxError) else error
        what = f"the code of `{name}` fails: {type(error).__name__}: {text}"
        raise RecipeError(what, where=place_in(error), key=key) from error
    wanted = folder.file_of(name) if folder is not None else None
    if wanted is not None and Path(module.__file__ or "").resolve() != wanted.resolve():
        what = f"`{name}` is another module already, {module.__file__ or 'built into Python'}, and not {wanted}"
        raise RecipeError(what, hint="call your module something else", key=key)
    for each, path in folder.modules() if folder is not None else ():
        if not hasattr(each, _DIGEST):
            setattr(each, _DIGEST, digest(path))
    return module


def _where(name: str, folder: CodeFolder | None) -> str:
    if name.endswith(".py"):
        return "write the module without .py"
    return f"it was looked for in {folder} first; `--code DIR` says where else" if folder else "`--code DIR` says where"


def place_in(error: BaseException) -> Location | None:
    """The line of the user's own code that an error comes from, if it comes from there."""
    folder = code_folder()
    if folder is None:
        return None
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        text = error.text.rstrip("\n") if error.text else None
        return Location(error.filename, error.lineno, text=text)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_in(folder, frame.filename) and frame.lineno is not None:
            return Location(frame.filename, frame.lineno, text=frame.line or None)
    return None


def _is_in(folder: CodeFolder, file: str) -> bool:
    """Whether a file is a module of the folder, perhaps one that failed before it was one."""
    path = Path(file)
    if not path.is_relative_to(folder):
        return False
    parts = path.relative_to(folder).with_suffix("").parts
    return all(part.isidentifier() for part in parts) and bool(parts) and parts[0] not in folder.before
