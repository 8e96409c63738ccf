"""From a command line's words to what a flow takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ftcli.cli.following import follow, is_silent_rank, loading, pointing_at
from ftcli.cli.live import open_screen
from ftcli.data.tags import PREFIXES, Scheme
from ftcli.errors import UsageError
from ftcli.flows.recipes import open_recipe
from ftcli.spec.card import Format
from ftcli.spec.dump import toml_value
from ftcli.spec.recipe import Recipe, load_recipe, starting_from
from ftcli.train.card import open_card

if TYPE_CHECKING:
    from ftcli.flows.calibrate import Fit

_FORMATS = ("auto", "jsonl", "json", "csv", "tsv", "conll", "text", "parquet")


def format_of(kind: str, delimiter: str | None) -> Format:
    """How the input is cut into rows, from the command line's words.

    Raises:
        UsageError: there is no such format, or the delimiter is no single character.
    """
    if kind not in _FORMATS:
        raise UsageError(f"--format {kind}: there is no such format", hint=f"one of {', '.join(_FORMATS)}")
    return Format(kind=kind, delimiter=delimiter_of("--delimiter", delimiter))


def delimiter_of(option: str, given: str | None) -> str | None:
    r"""What parts the cells of a table, from the command line's word, where `\t` is a tab.

    Raises:
        UsageError: it is no single character, or one that means something else in a table.
    """
    found = "\t" if given == "\\t" else given
    if found is not None and (len(found) != 1 or found in '"\r\n'):
        what = f"{option} {found}: a delimiter is one character, and no quote or line end"
        raise UsageError(what, hint=f"{option} ';', or {option} '\\t' for a tab")
    return found


def scheme_of(name: str | None) -> Scheme | None:
    """The scheme of the input's tags, from the command line's word.

    Raises:
        UsageError: there is no such scheme.
    """
    if name is None:
        return None
    found: Scheme | None = next((scheme for scheme in PREFIXES if scheme == name), None)
    if found is None:
        raise UsageError(f"--scheme {name}: there is no such scheme", hint=f"one of {', '.join(PREFIXES)}")
    return found


def check_tuned_for(metric: str | None) -> None:
    """Make sure that thresholds can be tuned for a metric, if it is asked for.

    Raises:
        UsageError: they can't.
    """
    if metric not in (None, "f1"):
        raise UsageError(f"--tune-threshold {metric}: thresholds are tuned for f1", hint="--tune-threshold f1")


def fit_of(tuned_for: str | None, *, calibrate: bool, forget: bool) -> Fit:
    """What is to be fitted to a checkpoint, or forgotten, from the command line's words."""
    from ftcli.flows.calibrate import Fit  # which loads torch

    return Fit(temperature=calibrate, thresholds=tuned_for is not None, forget=forget)


def existing(code: Path | None) -> Path | None:
    """The folder that `--code` names, if it does.

    Raises:
        UsageError: there is no such folder.
    """
    if code is not None and not code.is_dir():
        raise UsageError(f"--code {code}: there is no such folder")
    return code


def with_code(settings: Sequence[str] | None, code: Path | None) -> list[str]:
    """The `--set` options, and the folder that `--code` names as one of them."""
    folder = existing(code)
    return [*(settings or ()), *([f"run.code={toml_value(str(folder.resolve()))}"] if folder is not None else [])]


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]i?)?B", re.IGNORECASE)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def bytes_of(option: str, given: str | None) -> float | None:
    """A size such as `80GB` or `24GiB` in bytes.

    Raises:
        UsageError: it is none.
    """
    if given is None:
        return None
    found = _SIZE.fullmatch(given.strip())
    if found is None or not float(found[1]):
        raise UsageError(f"{option} {given}: this is no size", hint=f"{option} 80GB, or {option} 24GiB")
    unit = (found[2] or "").lower()
    return float(found[1]) * (1024 if unit.endswith("i") else 1000) ** _UNITS[unit.removesuffix("i")]


def recipe_for(path: Path, settings: Sequence[str], checkpoint: Path | None, *, new_head: bool) -> Recipe:
    """The recipe, with a checkpoint's weights where `--init-from` names one.

    Raises:
        RecipeError: the recipe has problems.
        UsageError: a new head was asked for, and there is no checkpoint to put it on.
        CheckpointError: the checkpoint is missing or damaged.
    """
    if checkpoint is None:
        if new_head:
            raise UsageError("--new-head goes with --init-from", hint="ftcli train RECIPE --init-from CKPT --new-head")
        return open_recipe(path, settings)
    recipe = load_recipe(path, settings)  # its own model need not be there: the checkpoint takes its place
    open_card(checkpoint)
    return starting_from(recipe, checkpoint, new_head=new_head)


def print_plan(recipe: Recipe, *, num_processes: int | None, device_bytes: float | None) -> None:
    """Work out what a recipe would do and print it, on the first process alone.

    Args:
        recipe: The recipe.
        num_processes: How many processes are to share the run; those of this launch if None.
        device_bytes: The memory that each of them has.
    """
    with loading():
        from ftcli.cli.plan import show_plan
        from ftcli.flows.plan import plan

    with pointing_at(recipe), open_screen(is_main=not is_silent_rank()) as screen:
        found = follow(plan(recipe.spec, num_processes=num_processes), screen)
    if found is not None:
        show_plan(Console(), found, recipe, device_bytes=device_bytes)
