"""The commands. Each parses, calls one flow, and shows what it yields; torch is imported only once one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ftcli import __version__
from ftcli.cli.exporting import export
from ftcli.cli.following import drive, follow, loading, pointing_at
from ftcli.cli.live import open_screen
from ftcli.cli.options import (
    BatchSize,
    Calibrate,
    Checkpoint,
    Code,
    Debug,
    Delimiter,
    Device,
    FileFormat,
    InitFrom,
    LabelledRows,
    MaxBadRows,
    RecipePath,
    Resamples,
    Rival,
    Root,
    RunFolder,
    Settings,
    Source,
    TagScheme,
    TuneThreshold,
)
from ftcli.cli.reference import explain, schema
from ftcli.cli.reports import report
from ftcli.cli.starting import existing, fit_of, format_of, print_plan, recipe_for, scheme_of, with_code
from ftcli.errors import UsageError
from ftcli.spec.recipe import load_recipe
from ftcli.spec.wording import counted

app = typer.Typer(
    name="ftcli",
    help="Fine-tune transformer encoders from a TOML recipe.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def ftcli(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Fine-tune transformer encoders from a TOML recipe."""
    if version:
        typer.echo(f"ftcli {__version__}")


@app.command()
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


@app.command()
def train(
    recipe: RecipePath,
    settings: Settings = None,
    run_dir: Annotated[str | None, typer.Option(metavar="DIR", help="The run folder, instead of run.dir.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, try one batch, and stop.")] = False,
    init_from: InitFrom = None,
    new_head: Annotated[bool, typer.Option("--new-head", help="With --init-from: for other labels.")] = False,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Train a model as a recipe says.

    On several processes: torchrun --nproc-per-node N -m ftcli train RECIPE
    """
    loaded = recipe_for(recipe, with_code(settings, code), init_from, new_head=new_head)
    if dry_run:
        print_plan(loaded)
        return
    with loading():
        from ftcli.flows.train import train as flow

    with pointing_at(loaded):
        drive(lambda answer: flow(loaded.spec, run_dir=run_dir, answer=answer))


@app.command()
def resume(run_dir: RunFolder, settings: Settings = None, code: Code = None, debug: Debug = False) -> None:
    """Go on with a run from its newest sound checkpoint, as if it had never stopped."""
    with loading():
        from ftcli.flows.train import resume as flow

    drive(lambda answer: flow(run_dir, changes=with_code(settings, code), answer=answer))


@app.command()
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


@app.command(name="eval")
def evaluate(
    ckpt: Checkpoint,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split to score.")] = "validation",
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="A prepared data set, not the run's own.")] = None,
    source: LabelledRows = None,
    format: FileFormat = "auto",
    delimiter: Delimiter = None,
    scheme: TagScheme = None,
    compare: Rival = None,
    calibrate: Calibrate = False,
    tune_threshold: TuneThreshold = None,
    resamples: Resamples = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    device: Device = "auto",
    batch_size: BatchSize = None,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Score a checkpoint: loss, metrics with their 95 % intervals, and what its task has besides.

    Scores of each label, the confusion matrix, and whether probabilities are what they say; of taggers the scores of
    each type of entity. A custom task says itself.
    """
    with loading():
        from ftcli.cli.results import print_json, show_report
        from ftcli.flows.evaluate import Questions
        from ftcli.flows.evaluate import evaluate as flow
        from ftcli.flows.inputs import RowFile

    chosen, tags, folder = format_of(format, delimiter), scheme_of(scheme), existing(code)
    file = RowFile(source, chosen, tags) if source is not None else None
    asked = Questions(resamples, fit_of(tune_threshold, calibrate=calibrate), compare)
    with open_screen(is_main=True) as screen:
        work = flow(
            ckpt, split=split, data=data, file=file, asked=asked, device=device, batch_size=batch_size, code=folder
        )
        report = follow(work, screen)
    if as_json:
        print_json(report)
    else:
        show_report(Console(), report)


@app.command()
def predict(
    ckpt: Checkpoint,
    source: Annotated[str, typer.Option("--input", metavar="FILE|-", help="The rows; - reads standard input.")],
    output: Annotated[
        str, typer.Option(metavar="FILE|-", help="Where predictions go; - is standard output, .gz compresses.")
    ] = "-",
    output_format: Annotated[
        str | None, typer.Option(metavar="jsonl|csv|conll", help="The output's form; by its ending otherwise.")
    ] = None,
    format: FileFormat = "auto",
    delimiter: Delimiter = None,
    scheme: TagScheme = None,
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="The input's name for the text column.")] = None,
    pair: Annotated[str | None, typer.Option(metavar="COLUMN", help="The input's name for the second text.")] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Give bad rows an `error` field and go on.")] = False,
    device: Device = "auto",
    batch_size: BatchSize = None,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Label rows: the same rows in the same order, with what the model says of each.

    `label` and `probability`; of any number of labels `labels` and `probabilities`; of regression `value`; of tagging
    `tags` and `entities`; of a custom task what it answers.
    """
    with loading():
        from ftcli.flows.predict import Input
        from ftcli.flows.predict import predict as flow

    if output_format not in (None, "jsonl", "csv", "conll"):
        raise UsageError(f"--output-format {output_format}: there is no such format", hint="jsonl, csv or conll")
    rows = Input(source, format_of(format, delimiter), scheme_of(scheme), text, pair, keep_going)
    form, folder = output_format, existing(code)
    with open_screen(is_main=True) as screen:
        work = flow(
            ckpt, source=rows, output=output, output_format=form, device=device, batch_size=batch_size, code=folder
        )
        done = follow(work, screen)
    if done.num_errors:
        every = counted(done.num_rows + done.num_errors)
        Console(stderr=True).print(f"{done.num_errors:,} of {every} could not be read")


app.command()(export)
app.command()(report)
app.command()(explain)
app.command()(schema)
