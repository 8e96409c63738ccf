"""The commands. Each parses, calls one flow, and shows what it yields; torch is imported only once one runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from ftcli import __version__
from ftcli.cli.evaluating import evaluate
from ftcli.cli.exporting import export
from ftcli.cli.following import drive, follow, loading, pointing_at
from ftcli.cli.help import Command, Group
from ftcli.cli.live import open_screen
from ftcli.cli.options import (
    Code,
    Debug,
    InitFrom,
    MaxBadRows,
    RecipePath,
    Root,
    RunFolder,
    Settings,
    Source,
)
from ftcli.cli.predicting import predict
from ftcli.cli.reference import explain, schema
from ftcli.cli.reports import report
from ftcli.cli.starting import bytes_of, print_plan, recipe_for, with_code
from ftcli.cli.sweeping import sweep
from ftcli.errors import UsageError
from ftcli.spec.recipe import load_recipe

app = typer.Typer(
    name="ftcli",
    cls=Group,
    help="Fine-tune transformer encoders from a TOML recipe.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback(invoke_without_command=True)
def ftcli(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Debug = False,
) -> None:
    """Fine-tune transformer encoders from a TOML recipe."""
    if version:
        typer.echo(f"ftcli {__version__}")


@app.command(cls=Command)
def prepare(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A built-in data set, a recipe, or a data card.")],
    source: Source = None,
    max_bad_rows: MaxBadRows = 0,
    force: Annotated[bool, typer.Option("--force", help="Prepare again, and download again.")] = False,
    root: Root = None,
    settings: Settings = None,
    debug: Debug = False,
) -> None:
    """Get a data set, check every row, and say what it looks like."""
    with loading():
        from ftcli.cli.profile import show_prepared
        from ftcli.flows.prepare import prepare_target, resolve_target

    resolved = resolve_target(target, tuple(settings or ()), root=root)
    with pointing_at(resolved.recipe), open_screen(is_main=True) as screen:
        work = prepare_target(resolved, source=source, max_bad_rows=max_bad_rows, force=force)
        report = follow(work, screen)
    show_prepared(Console(), report)


@app.command(cls=Command)
def train(
    recipe: RecipePath,
    settings: Settings = None,
    run_dir: Annotated[str | None, typer.Option(metavar="DIR", help="The run folder, instead of run.dir.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, try one batch, and stop.")] = False,
    world: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --dry-run: what each of N processes would take.")
    ] = None,
    device_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With --dry-run: what fits into so much, as in 80GB.")
    ] = None,
    init_from: InitFrom = None,
    new_head: Annotated[bool, typer.Option("--new-head", help="With --init-from: for other labels.")] = False,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Train a model as a recipe says.

    On several processes: torchrun --nproc-per-node N -m ftcli train RECIPE
    """
    device_bytes = bytes_of("--device-memory", device_memory)
    if not dry_run and (world is not None or device_bytes is not None):
        raise UsageError("--world and --device-memory go with --dry-run", hint=f"ftcli train {recipe} --dry-run")
    loaded = recipe_for(recipe, with_code(settings, code), init_from, new_head=new_head)
    if dry_run:
        print_plan(loaded, num_processes=world, device_bytes=device_bytes)
        return
    with loading():
        from ftcli.flows.train import train as flow

    with pointing_at(loaded):
        drive(lambda answer: flow(loaded.spec, run_dir=run_dir, answer=answer))


@app.command(cls=Command)
def resume(run_dir: RunFolder, settings: Settings = None, code: Code = None, debug: Debug = False) -> None:
    """Go on with a run from its newest sound checkpoint, as if it had never stopped."""
    with loading():
        from ftcli.flows.continuation import read_run
        from ftcli.flows.train import resume as flow
        from ftcli.runtime.rundir import RunDir

    changes = with_code(settings, code)
    with pointing_at(read_run(RunDir(run_dir), changes)):
        drive(lambda answer: flow(run_dir, changes=changes, answer=answer))


@app.command(cls=Command)
def prove(
    recipe: RecipePath,
    settings: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the measurements as JSON.")] = False,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Check that ftcli's arithmetic holds on a recipe: cuts, ranks, restarts, freezing, checkpoints.

    A short run on the CPU, in a temporary folder. The exit code is 1 if a check fails.
    """
    from ftcli.cli.proof import prove_recipe

    if not prove_recipe(load_recipe(recipe, with_code(settings, code)), as_json=as_json):
        raise typer.Exit(1)


app.command(cls=Command)(sweep)
app.command(name="eval", cls=Command)(evaluate)
app.command(cls=Command)(predict)
app.command(cls=Command)(export)
app.command(cls=Command)(report)
app.command(cls=Command, context_settings={"ignore_unknown_options": True})(explain)  # `--learning_rate` is a KEY
app.command(cls=Command)(schema)
