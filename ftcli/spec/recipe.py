"""A recipe: TOML text, what it extends, and `--set` options, layered into one RunSpec.

Every layer keeps its text, so that an error (also one found much later, when the model is loaded) can be shown at
the line that caused it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from ftcli.errors import FtcliError, Location, Problem, RecipeError
from ftcli.spec.contradictions import contradictions, one_cut, split_in_vain
from ftcli.spec.document import Document, Key, contains, parse_setting, read_document, value_at
from ftcli.spec.factories import factories_in
from ftcli.spec.layers import stacked, together
from ftcli.spec.plain import table_in
from ftcli.spec.problems import located, problems_of
from ftcli.spec.run import RunSpec

Check = Callable[[dict[str, Any]], Iterable[Problem]]


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
        holders = [layer for layer in reversed(self.layers) if contains(layer.data, key)]
        where = holders[0].locate(key) if holders and contains(stacked(self.layers), key) else None
        return "default" if where is None else ":".join(str(p) for p in (where.file, where.line) if p is not None)

    def pinpoint(self, error: FtcliError) -> FtcliError:
        """The same error with its problems shown where the recipe caused them."""
        pinned = type(error)(located(error.problems, self.locate))
        for note in getattr(error, "__notes__", ()):
            pinned.add_note(note)
        return pinned


def load_recipe(path: Path, settings: Sequence[str] = (), *, check: Check | None = None) -> Recipe:
    """Read a recipe, what it extends, and `settings` (`section.key=value` each, as after `--set`).

    Args:
        path: The recipe.
        settings: What changes it.
        check: What else can be wrong with the merged data; it must cope with values of any type.

    Raises:
        RecipeError: with every problem found, each located.
    """
    layers, problems = _file_layers(path, ()), list[Problem]()
    for setting in settings:
        try:
            layers.append(parse_setting(setting))
        except RecipeError as error:
            problems += error.problems
    return resolve_layers(layers, problems, check=check)


def starting_from(recipe: Recipe, checkpoint: Path, *, new_head: bool) -> Recipe:
    """The same recipe, but with the weights of a checkpoint, for `--init-from`."""
    model = {"path": str(checkpoint.resolve()), "weights": "encoder" if new_head else "all"}
    layer = Document(f"--init-from {checkpoint}", "", {"model": model}, flag=True)
    return resolve_layers([*recipe.layers, layer])


def resolve_layers(layers: Sequence[Document], found: Iterable[Problem] = (), *, check: Check | None = None) -> Recipe:
    """Merge layers (the last wins; all `--set` options together are one) and validate the result.

    Raises:
        RecipeError: with every problem, those `found` before and those of `check` among them, each located.
    """
    merged = stacked(layers)
    problems = [
        *found,
        *_layer_problems(layers, merged),
        *_misplaced_extends(layers),
        *(check(merged) if check else ()),
    ]
    try:
        spec = RunSpec.model_validate(_with_code(merged, layers))
    except ValidationError as error:
        wrong = [problem for problem in problems_of(error, RunSpec, merged) if problem.key]
        problems = [*_not_of(wrong, problems), *wrong, *_not_of(wrong, contradictions(merged))]
        spec = None
    if problems or spec is None:
        raise RecipeError(located(problems, lambda key, of_key: _locate(layers, key, of_key=of_key)))
    return Recipe(spec, tuple(layers))


def _not_of(wrong: Sequence[Problem], found: Iterable[Problem]) -> list[Problem]:
    """Those of the problems found that are not of a key whose value is wrong by itself."""
    keys = {problem.key for problem in wrong}
    return [problem for problem in found if problem.key is None or problem.key not in keys]


def _with_code(merged: dict[str, Any], layers: Sequence[Document]) -> dict[str, Any]:
    """Where code of the user's own is, as an absolute path: if not said, beside the recipe that names it."""
    recipes, run = [layer for layer in layers if not layer.flag], merged.get("run", {})
    if not isinstance(run, dict):
        return merged
    code = cast("dict[str, Any]", run).get("code", "auto")
    if code == "auto" and recipes and any(factories_in(merged)):
        naming = [layer.name for layer in recipes if any(factories_in(layer.data))] or [recipes[-1].name]
        code = str(Path(naming[-1]).parent)
    if not isinstance(code, str) or code == "auto":
        return merged
    return {**merged, "run": {**cast("dict[str, Any]", run), "code": str(Path(code).expanduser().resolve())}}


def _layer_problems(layers: Sequence[Document], merged: dict[str, Any]) -> Iterator[Problem]:
    flags = [layer for layer in layers if layer.flag]
    strategy, settled = None, table_in(merged, "distributed").get("strategy")
    for group in [*([layer] for layer in layers if not layer.flag), flags]:
        data = together(group)
        for problem in (*one_cut(data), *split_in_vain(data, strategy or settled)):
            where = _locate(group, problem.key or (), of_key=False)
            yield Problem(problem.what, where, problem.hint, problem.key)
        strategy = table_in(data, "distributed").get("strategy", strategy)


def _misplaced_extends(layers: Sequence[Document]) -> Iterator[Problem]:
    for layer in layers:
        if layer.flag and "extends" in layer.data:
            yield Problem("`extends` can only stand in a recipe", Location(layer.name))


def _locate(layers: Sequence[Document], key: Key, *, of_key: bool) -> Location | None:
    """Where `key`, or else the nearest table around it, is written in the layer that is in force."""
    merged = stacked(layers)
    for part in (key[:length] for length in range(len(key), 0, -1)):
        if contains(merged, part):
            holders = [layer for layer in reversed(layers) if contains(layer.data, part)]
            holder = holders[0] if part == key else _who_began(holders, part)
            return holder.locate(part, of_key=of_key)
    recipes = [layer.name for layer in layers if not layer.flag]
    return Location(recipes[-1]) if recipes else None


def _who_began(holders: Sequence[Document], part: Key) -> Document:
    """Of layers, the last first, the one that made a table what it is: that says its kind, or has more than a word."""
    of_kind = next((layer for layer in holders if contains(layer.data, (*part, "kind"))), None)
    if of_kind is not None and of_kind.flag:
        return of_kind
    is_item = any(isinstance(each, int) for each in part)  # arrays replace, and don't merge
    tables = [layer for layer in holders if not is_item and isinstance(value_at(layer.data, part), dict)]
    return next((layer for layer in tables if not layer.flag), holders[0])


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


def anchored(spec: RunSpec) -> RunSpec:
    """The spec with every local path made absolute, so that it means the same from another working directory."""
    data, model = spec.data, spec.model
    files = {name: _absolute(value) for name in ("train", "validation", "test") if (value := getattr(data, name))}
    also = {name: _absolute(file) for name, file in data.also.items()}
    name = data.name and (_absolute(data.name) if data.name.endswith(".toml") else data.name)
    paths = {name: _absolute(getattr(model, name)) for name in ("path", "tokenizer")}
    return spec.model_copy(
        update={
            "data": data.model_copy(
                update={**files, "also": also, "name": name, "root": str(Path(data.root).resolve())}
            ),
            "model": model.model_copy(update=paths),
        }
    )


def _absolute(path: str) -> str:
    """An existing local path made absolute; hub ids, URLs, package paths and words such as "off" stay."""
    return str(Path(path).expanduser().resolve()) if Path(path).expanduser().exists() else path
