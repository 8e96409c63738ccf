"""`ftcli eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ftcli.cli.following import follow, loading
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
    LabelledRows,
    Resamples,
    Rival,
    TagScheme,
    TuneThreshold,
    Uncalibrate,
)
from ftcli.cli.starting import check_tuned_for, existing, fit_of, format_of, scheme_of
from ftcli.flows.checks import check_eval
from ftcli.flows.inputs import RowFile

_FORGOTTEN = "what was fitted to {} is forgotten: the scores are those of the model as it was trained"


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
    uncalibrate: Uncalibrate = False,
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
    chosen, tags, folder = format_of(format, delimiter), scheme_of(scheme), existing(code)
    file = None if source is None else RowFile(source, chosen, tags)
    check_tuned_for(tune_threshold)
    check_eval(ckpt, file, compare, device=device, forgets=uncalibrate)
    with loading():
        from ftcli.cli.results import print_json, show_report
        from ftcli.flows.evaluate import Questions
        from ftcli.flows.evaluate import evaluate as flow

    asked = Questions(resamples, fit_of(tune_threshold, calibrate=calibrate, forget=uncalibrate), compare)
    with open_screen(is_main=True) as screen:
        work = flow(
            ckpt, split=split, data=data, file=file, asked=asked, device=device, batch_size=batch_size, code=folder
        )
        report = follow(work, screen)
    if uncalibrate and report.fitted is None:
        Console(stderr=True).print(_FORGOTTEN.format(ckpt), highlight=False, soft_wrap=True)
    if as_json:
        print_json(report)
    else:
        show_report(Console(), report)
