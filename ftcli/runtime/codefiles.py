"""The files of a user's own code that a checkpoint needs, told apart by their hashes."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ftcli.runtime.code import CodeFolder, code_folder, digest, digest_of
from ftcli.spec.base import Section


class CodeFile(Section):
    """A module that a checkpoint needs: its name, the file it was in, and what that file held (SHA-256)."""

    module: str
    file: str
    sha256: str


def describe_code(addresses: Iterable[str]) -> list[CodeFile]:
    """The files that some factories, which have been found, stand in, and those of the folder that these import."""
    named = {address.partition(":")[0] for address in addresses}
    folder = code_folder()
    found: dict[str, Path] = {}
    waiting = sorted(named, reverse=True)
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if module is None or file is None or name in found:
            continue
        found[name] = Path(file)
        if folder is not None and folder.file_of(name) == Path(file):
            waiting += sorted(_imported_by(Path(file), name, folder) - found.keys(), reverse=True)
    return [
        CodeFile(module=name, file=str(path), sha256=digest_of(sys.modules[name], path))
        for name, path in sorted(found.items())
    ]


def _imported_by(file: Path, module: str, folder: CodeFolder) -> set[str]:
    """The modules of the same folder that a file's statements name."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names = {name for node in ast.walk(ast.parse(file.read_bytes())) for name in _names_in(node, package)}
    outer = {name.rpartition(".")[0] for name in (*names, module)}
    return {name for name in names | outer if name and folder.file_of(name) is not None}


def _names_in(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        around = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*around, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)


def absent_code(files: Iterable[CodeFile]) -> list[CodeFile]:
    """Of the files that a checkpoint needs, those that can't be found."""
    return [each for each in files if _origin(each.module) is None]


def changed_code(files: Iterable[CodeFile]) -> list[tuple[CodeFile, Path]]:
    """Of the files that a checkpoint needs, those that hold something else by now, each with where it was found."""
    found = [(each, _origin(each.module)) for each in files]
    return [(each, path) for each, path in found if path is not None and digest(path) != each.sha256]


def code_digests(files: Iterable[CodeFile]) -> dict[str, str]:
    """What the files that a checkpoint needs hold now, as they are found: SHA-256 by module."""
    found = ((each.module, _origin(each.module)) for each in files)
    return {module: digest(path) for module, path in found if path is not None}


def _origin(module: str) -> Path | None:
    folder = code_folder()
    if folder is not None and (file := folder.file_of(module)):
        return file  # without importing the packages around it, which may not be what they were
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    file = Path(found.origin) if found is not None and found.has_location and found.origin else None
    return file if file is not None and file.is_file() else None
