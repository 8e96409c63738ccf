"""`ftcli sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ftcli.cli.following import follow, loading
from ftcli.cli.live import open_screen
from ftcli.cli.options import Code, Debug, RecipePath, Settings
from ftcli.cli.starting import with_code
from ftcli.errors import UsageError
from ftcli.flows.sweeping.grid import open_recipes, parse_grids
from ftcli.flows.sweeping.proposal import check_installed
from ftcli.flows.sweeping.space import parse_searches
from ftcli.runtime.launch import under_torchrun

if TYPE_CHECKING:
    from ftcli.flows.sweeping.plan import SweepPlan
    from ftcli.runtime.activity import Working

_Grid = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=[VALUES]", help="Values to try, as in 'optimizer.lr=[1e-5, 2e-5]'. May be repeated."),
]
_Search = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=LOW..HIGH",
        help="A range to search, as in 'optimizer.lr=1e-5..1e-3 log', or a list of values. May be repeated.",
    ),
]
_OF_WHAT = "of a search: --search 'optimizer.lr=1e-5..1e-3 log'; or of a grid: --grid 'optimizer.lr=[1e-5, 2e-5]'"


def sweep(
    recipe: RecipePath,
    grid: _Grid = None,
    search: _Search = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="With how many seeds each setting is run.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="How many run at a time.")] = 1,
    trials: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Try N settings: of a search, or of a grid, drawn at random.")
    ] = None,
    settings: Settings = None,
    sweep_dir: Annotated[Path, typer.Option(metavar="DIR", help="The sweep's folder.")] = Path("sweep"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs and their steps, and stop.")] = False,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Run a recipe once for each setting and seed, and tell which settings differ by more than chance.

    The settings are those of a grid, or a search draws one after another by what the earlier ones have scored. Each run
    is an ordinary one, in DIR/runs. Whatever ends a sweep, the same command goes on with it. The best setting is
    chosen on the validation split; the test split is looked at once, at the end, for that one alone.
    """
    if under_torchrun():
        raise UsageError("a sweep starts its runs itself", hint="without torchrun: ftcli sweep RECIPE --jobs N")
    options = with_code(settings, code)
    if search:
        work = _search(recipe, options, search, grid, trials=trials, num_seeds=seeds, folder=sweep_dir)
    else:
        work = _span(recipe, options, grid or [], trials=trials, num_seeds=seeds, folder=sweep_dir)
    with loading():
        from ftcli.cli.sweepscreen import drive_sweep, show_sweep_plan

    with open_screen(is_main=True) as screen:
        plan = follow(work, screen)
    if dry_run:
        show_sweep_plan(Console(), plan)
        return
    if exit_code := drive_sweep(plan, jobs=jobs):
        raise typer.Exit(exit_code)


def _span(
    recipe: Path, options: list[str], grid: list[str], *, trials: int | None, num_seeds: int, folder: Path
) -> Working[SweepPlan]:
    """Plan a grid. Whatever is wrong with it is said before torch is loaded."""
    if trials and not grid:
        raise UsageError("`--trials` says how many settings to try, and of what is not said", hint=_OF_WHAT)
    chosen = parse_grids(grid, trials=trials)
    open_recipes(recipe, options, chosen)
    with loading():
        from ftcli.flows.sweeping.plan import plan_sweep

    return plan_sweep(recipe, options=options, settings=chosen, num_seeds=num_seeds, folder=folder, asked=trials)


def _search(
    recipe: Path,
    options: list[str],
    search: list[str],
    grid: list[str] | None,
    *,
    trials: int | None,
    num_seeds: int,
    folder: Path,
) -> Working[SweepPlan]:
    """Plan a search, likewise."""
    if grid:
        raise UsageError("a sweep has a grid or a search, not both", hint="search a list: --search 'KEY=[VALUES]'")
    if trials is None:
        raise UsageError("a search needs to know when to stop", hint="say how many settings it is to try: --trials 20")
    space = parse_searches(search)
    open_recipes(recipe, options, space.corners())
    check_installed()
    with loading():
        from ftcli.flows.sweeping.search import plan_search

    return plan_search(recipe, options=options, space=space, num_trials=trials, num_seeds=num_seeds, folder=folder)
