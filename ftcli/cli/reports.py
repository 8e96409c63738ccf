"""`ftcli report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ftcli.cli.following import loading
from ftcli.cli.options import Debug


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders; several are set side by side.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page; RUN/report.html, or of several report.html.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Make a page of a run: curves, scores, errors, recipe. One file, which needs no network.

    It is made of what is in the run folder, as `train` makes it when a run ends. `pip install 'ftcli[report]'` gives
    pictures.
    """
    with loading():
        from ftcli.flows.report import report as flow

    Console().print(f"report: {flow(runs, output=output)}", highlight=False, soft_wrap=True)
