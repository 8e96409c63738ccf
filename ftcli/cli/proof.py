"""The table that `ftcli prove` prints: what was measured, how far it may be off, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ftcli.cli.following import follow, is_silent_rank, pointing_at
from ftcli.cli.live import open_screen
from ftcli.cli.results import print_json
from ftcli.cli.table import Column, table
from ftcli.flows.lines import flat
from ftcli.spec.recipe import Recipe
from ftcli.spec.wording import counted

if TYPE_CHECKING:
    from ftcli.flows.laws.check import Check
    from ftcli.flows.prove import Proof

_WORDS = {True: "holds", False: "FAILS", None: "-"}
_STYLES = {True: "", False: "bold red", None: "dim"}


def prove_recipe(recipe: Recipe, *, as_json: bool) -> bool:
    """Prove a recipe, print what was measured, and tell whether all of it holds."""
    from ftcli.flows.prove import prove  # which loads torch

    with pointing_at(recipe), open_screen(is_main=not is_silent_rank()) as screen:
        found = follow(prove(recipe.spec), screen)
    if as_json:
        print_json(found)
    else:
        show_proof(Console(), found)
    return found.holds


def show_proof(console: Console, proof: Proof) -> None:
    """Print a proof to standard output."""
    facts = f"  {flat(proof.model)} on {flat(proof.data)}, on the CPU"
    console.print(Text.assemble((flat(proof.name), "bold"), facts), soft_wrap=True)
    console.print(table(_columns(proof.checks), console.width, styles=[_STYLES[c.holds] for c in proof.checks]))
    for note in _notes(proof.checks):
        console.print(note, soft_wrap=True)
    console.print(_verdict(proof))


def _columns(checks: Sequence[Check]) -> list[Column]:
    return [
        Column("law", _once([check.law for check in checks]), justify="left"),
        Column("what", [check.what for check in checks], justify="left", folds=True),
        Column("float64", [_distance(check.deviation) for check in checks]),
        Column("bound", [_distance(check.bound) for check in checks], rank=1),
        Column("float32", [_distance(check.deviation_fp32) for check in checks], rank=1),
        Column("bound", [_distance(check.bound_fp32) for check in checks], rank=2),
        Column("", [_WORDS[check.holds] for check in checks], justify="left"),
    ]


def _once(names: Sequence[str]) -> list[str]:
    """The names with those left out that only repeat the one above."""
    return [name if number == 0 or names[number - 1] != name else "" for number, name in enumerate(names)]


def _distance(value: float | None) -> str:
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if value == round(value) else f"{value:.0e}".replace("e-0", "e-")


def _notes(checks: Sequence[Check]) -> Iterator[Text]:
    for check in checks:
        if check.note and not check.holds:
            yield Text(flat(f"{check.law}, {check.what}: {check.note}"), style=_STYLES[check.holds])


def _verdict(proof: Proof) -> Text:
    failed = sum(check.holds is False for check in proof.checks)
    skipped = sum(check.holds is None for check in proof.checks)
    left_out = f"; {skipped} not checked" if skipped else ""
    if failed:
        return Text(f"{failed} of {counted(len(proof.checks), 'check')} failed{left_out}", style="bold red")
    return Text(f"{counted(len(proof.checks) - skipped, 'check')} passed{left_out}", style="bold green")
