"""`ftcli sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ftcli.cli.following import follow, loading
from ftcli.cli.live import open_screen
from ftcli.cli.options import Code, Debug, RecipePath, Settings
from ftcli.cli.starting import with_code
from ftcli.errors import UsageError
from ftcli.flows.sweeping.grid import open_recipes, parse_grids
from ftcli.runtime.launch import under_torchrun


def sweep(
    recipe: RecipePath,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=[VALUES]", help="Values to try, as in 'optimizer.lr=[1e-5, 2e-5]'. May be repeated."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="With how many seeds each setting is run.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="How many run at a time.")] = 1,
    trials: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Try only N settings of the grid, drawn at random.")
    ] = None,
    settings: Settings = None,
    sweep_dir: Annotated[Path, typer.Option(metavar="DIR", help="The sweep's folder.")] = Path("sweep"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs and their steps, and stop.")] = False,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Run a recipe once for each setting and seed, and tell which settings differ by more than chance.

    Each is an ordinary run, in DIR/runs. Whatever ends a sweep, the same command goes on with it. The best setting is
    chosen on the validation split; the test split is looked at once, at the end, for that one alone.
    """
    if under_torchrun():
        raise UsageError("a sweep starts its runs itself", hint="without torchrun: ftcli sweep RECIPE --jobs N")
    options, chosen = with_code(settings, code), parse_grids(grid or [], trials=trials)
    open_recipes(recipe, options, chosen)  # whatever is wrong with them is said before torch is loaded
    with loading():
        from ftcli.cli.sweepscreen import drive_sweep, show_sweep_plan
        from ftcli.flows.sweeping.plan import plan_sweep

    with open_screen(is_main=True) as screen:
        work = plan_sweep(recipe, options=options, settings=chosen, num_seeds=seeds, folder=sweep_dir)
        plan = follow(work, screen)
    if dry_run:
        show_sweep_plan(Console(), plan)
        return
    if exit_code := drive_sweep(plan, jobs=jobs):
        raise typer.Exit(exit_code)
