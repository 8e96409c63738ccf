"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a value of the recipe, as in optimizer.lr=1e-4. May be repeated."
    ),
]
RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a TOML file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]
Source = Annotated[
    str | None, typer.Option(metavar="PATH|URL", help="Take the files from this folder, archive, file or URL.")
]
MaxBadRows = Annotated[int, typer.Option(min=0, metavar="N", help="Leave out up to N unusable rows.")]
Root = Annotated[
    str | None, typer.Option(metavar="DIR", help="Where prepared data lies; data.root or data/ otherwise.")
]
InitFrom = Annotated[
    Path | None,
    typer.Option(metavar="CKPT", help="Start from a checkpoint's weights: a new optimizer, step 0, the same head."),
]
Checkpoint = Annotated[Path, typer.Option("--ckpt", metavar="DIR", help="A checkpoint, such as run/best or run/last.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="Where to compute: auto, cpu or cuda.")]
BatchSize = Annotated[int | None, typer.Option(min=1, metavar="N", help="Rows scored at once; the recipe's otherwise.")]
Code = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the recipe's own Python files are.")]
FileFormat = Annotated[
    str,
    typer.Option("--format", metavar="FORMAT", help="auto, jsonl, json, csv, tsv, conll, text or parquet."),
]
Delimiter = Annotated[str | None, typer.Option(metavar="CHAR", help="What stands between fields, if not , or tab.")]
LabelledRows = Annotated[
    str | None,
    typer.Option("--input", metavar="FILE|-", help="Labelled rows instead of a split; - reads standard input."),
]
TagScheme = Annotated[
    str | None,
    typer.Option("--scheme", metavar="SCHEME", help="How the input's tags are written: bio, iob1, bioes or bmes."),
]
Rival = Annotated[
    Path | None,
    typer.Option(metavar="DIR|FILE", help="Another checkpoint, export, or file of predictions for the same rows."),
]
Calibrate = Annotated[
    bool, typer.Option("--calibrate", help="First fit a temperature on the validation split, and keep it.")
]
Uncalibrate = Annotated[
    bool, typer.Option("--uncalibrate", help="First forget the temperature and the thresholds that were fitted before.")
]
TuneThreshold = Annotated[
    str | None, typer.Option(metavar="f1", help="First tune thresholds on the validation split, and keep them.")
]
Resamples = Annotated[
    int, typer.Option(min=0, metavar="N", help="How many resamples intervals come from; 0: no intervals.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
