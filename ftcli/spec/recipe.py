"""A recipe: TOML text, what it extends, and `--set` options, layered into one RunSpec.

Every layer keeps its text, so that an error (also one found much later, when the model is loaded) can be shown at
the line that caused it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from ftcli.errors import FtcliError, Location, Problem, RecipeError
from ftcli.spec.contradictions import OWN_FILES, contradictions, one_cut
from ftcli.spec.document import Document, Key, contains, parse_setting, read_document
from ftcli.spec.problems import located, problems_of
from ftcli.spec.run import RunSpec

_ALTERNATIVES: dict[str, tuple[tuple[str, ...], ...]] = {
    "batch": (("micro_size",), ("max_tokens",), ("accumulation",)),
    "data": (("name",), OWN_FILES),
}
"""Keys of one table of which a later layer's choice replaces an earlier layer's."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A validated recipe and the layers it was read from, the last of which wins."""

    spec: RunSpec
    layers: tuple[Document, ...]

    def locate(self, key: Key, of_key: bool = False) -> Location | None:  # noqa: FBT001, FBT002 - a callback's shape
        """Where the value in force under `key` was written; None if it is a default."""
        return _locate(self.layers, key, of_key=of_key)

    def origin(self, key: Key) -> str:
        """The same as a word for a table: `default`, `--set ...` or `file:line`."""
        layer = next((layer for layer in reversed(self.layers) if contains(layer.data, key)), None)
        where = layer.locate(key) if layer else None
        return "default" if where is None else ":".join(str(p) for p in (where.file, where.line) if p is not None)

    def pinpoint(self, error: FtcliError) -> FtcliError:
        """The same error with its problems shown where the recipe caused them."""
        return type(error)(located(error.problems, self.locate))


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe, what it extends, and `settings` (`section.key=value` each, as after `--set`).

    Raises:
        RecipeError: with every problem found, each located.
    """
    return resolve_layers([*_file_layers(path, ()), *map(parse_setting, settings)])


def resolve_layers(layers: Sequence[Document]) -> Recipe:
    """Merge layers (the last wins) and validate the result.

    Raises:
        RecipeError: with every problem found, each located.
    """
    merged: dict[str, Any] = {}
    problems = [problem for layer in layers for problem in _layer_problems(layer)]
    for layer in layers:
        merged = merge(merged, {name: value for name, value in layer.data.items() if name != "extends"})
    try:
        spec = RunSpec.model_validate(merged)
    except ValidationError as error:
        found = [p for p in problems_of(error, RunSpec, merged) if p.key]
        problems += [*found, *contradictions(merged)]
        spec = None
    if problems or spec is None:
        raise RecipeError(located(problems, lambda key, of_key: _locate(layers, key, of_key=of_key)))
    return Recipe(spec, tuple(layers))


def _layer_problems(layer: Document) -> Iterator[Problem]:
    for problem in one_cut(layer.data):
        where = layer.locate(problem.key or ())
        yield Problem(problem.what, where, problem.hint, problem.key)
    if layer.flag and "extends" in layer.data:
        yield Problem("`extends` can only stand in a recipe", Location(layer.name))


def _locate(layers: Sequence[Document], key: Key, *, of_key: bool) -> Location | None:
    holders = [layer for layer in reversed(layers) if contains(layer.data, key)]
    for layer in holders or list(reversed(layers)):
        if where := layer.locate(key, of_key=of_key):
            return where
    return Location(layers[0].name) if layers else None


def _file_layers(path: Path, seen: tuple[Path, ...]) -> list[Document]:
    document = read_document(path)
    base = document.data.get("extends")
    if base is None:
        return [document]
    where = document.locate(("extends",))
    if not isinstance(base, str):
        raise RecipeError("`extends` must be the path of a recipe", where=where)
    target = path.parent / base
    if target.resolve() in (*seen, path.resolve()):
        chain = " -> ".join(p.name for p in (*seen, path.resolve(), target.resolve()))
        raise RecipeError(f"a recipe can't extend itself: {chain}", where=where)
    if not target.is_file():
        raise RecipeError(f"`extends` names a recipe that is not there: {target}", where=where)
    return [*_file_layers(target, (*seen, path.resolve())), document]


def merge(lower: dict[str, Any], upper: dict[str, Any], table: str = "") -> dict[str, Any]:
    """`upper` over `lower`: tables merge, arrays and values replace, a changed `kind` discards the lower table."""
    if "kind" in upper and upper["kind"] != lower.get("kind", _default_kind(table)):
        return upper
    result = {name: value for name, value in lower.items() if name not in _replaced(table, upper)}
    for name, value in upper.items():
        below = result.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            result[name] = merge(cast("dict[str, Any]", below), cast("dict[str, Any]", value), name)
        else:
            result[name] = value
    return result


def _default_kind(table: str) -> object:
    field = RunSpec.model_fields.get(table)
    return getattr(field.default, "kind", None) if field else None


def _replaced(table: str, upper: dict[str, Any]) -> set[str]:
    """The lower keys that a choice in `upper` stands in for."""
    choices = _ALTERNATIVES.get(table, ())
    chosen = [names for names in choices if any(name in upper for name in names)]
    return {name for names in choices if chosen and names not in chosen for name in names}


def anchored(spec: RunSpec) -> RunSpec:
    """The spec with every local path made absolute, so that it means the same from another working directory."""
    data, model = spec.data, spec.model
    files = {name: _absolute(value) for name in ("train", "validation", "test") if (value := getattr(data, name))}
    name = data.name and (_absolute(data.name) if data.name.endswith(".toml") else data.name)
    paths = {name: _absolute(getattr(model, name)) for name in ("path", "tokenizer")}
    return spec.model_copy(
        update={
            "data": data.model_copy(update={**files, "name": name, "root": str(Path(data.root).resolve())}),
            "model": model.model_copy(update=paths),
        }
    )


def _absolute(path: str) -> str:
    """An existing local path made absolute; hub ids, URLs, package paths and words such as "off" stay."""
    return str(Path(path).expanduser().resolve()) if Path(path).expanduser().exists() else path
