"""`ftcli export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ftcli.cli.following import follow, loading
from ftcli.cli.live import open_screen
from ftcli.cli.options import Checkpoint, Code, Debug
from ftcli.cli.starting import existing
from ftcli.cli.table import Column, table
from ftcli.errors import UsageError
from ftcli.flows.checks import check_export
from ftcli.flows.figures import figure
from ftcli.spec.wording import counted

if TYPE_CHECKING:
    from ftcli.flows.export import Exported, ExportFormat  # which load torch

_FORMATS: tuple[ExportFormat, ...] = ("hf", "onnx", "onnx-int8", "pt2")


def export(
    ckpt: Checkpoint,
    format: Annotated[
        str,
        typer.Option(metavar="FORMAT", help="hf for transformers, onnx or onnx-int8 for ONNX Runtime, pt2 for torch."),
    ] = "hf",
    output: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder; RUN/export/FORMAT otherwise.")] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(min=0, max=100, metavar="PERCENT", help="How many labels must stay the same; 100, of int8 99."),
    ] = None,
    rows: Annotated[int, typer.Option(min=200, metavar="N", help="Rows to compare the answers on.")] = 200,
    push: Annotated[
        str | None, typer.Option(metavar="REPO", help="Upload it to this repository of the Hugging Face hub.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export in the folder.")] = False,
    code: Code = None,
    debug: Debug = False,
) -> None:
    """Write a checkpoint for other tools, and check on real rows that it gives the same answers.

    The folder holds the tokenizer, a model card, and parity.json: what was compared, scores, size and time.
    """
    chosen, folder = _format_of(format), existing(code)
    check_export(ckpt, output, format=chosen, force=force)
    if push is not None:
        from ftcli.flows.exporting.hub import check_repository

        check_repository(push)
    with loading():
        from ftcli.flows.export import export as flow

    least = None if min_agreement is None else min_agreement / 100
    with open_screen(is_main=True) as screen:
        work = flow(
            ckpt, format=chosen, output=output, min_agreement=least, num_rows=rows, code=folder, push=push, force=force
        )
        done = follow(work, screen)
    _show(Console(), done)


def _format_of(name: str) -> ExportFormat:
    """The format of an export, from the command line's word.

    Raises:
        UsageError: there is no such format.
    """
    found: ExportFormat | None = next((each for each in _FORMATS if each == name), None)
    if found is None:
        what = f"--format {name}: there is no such export format"
        raise UsageError(what, hint=f"formats: {', '.join(_FORMATS)}")
    return found


def _show(console: Console, done: Exported) -> None:
    """Print what an export came to, beside the checkpoint."""
    parity = done.parity
    same = f"{parity.same_labels:,} of {counted(parity.labels, 'label')} are the same"
    apart = f"logits differ by at most {parity.largest_logit_difference:.1e}"
    console.print(f"exported to {done.folder}: {same} on {parity.tried_on}, {apart}", highlight=False, soft_wrap=True)
    scores = [(name, figure(pair.checkpoint.value), figure(pair.export.value)) for name, pair in parity.score.items()]
    times = [
        (f"{counted(int(count))}, p50 ms", f"{pair.checkpoint.p50:.1f}", f"{pair.export.p50:.1f}")
        for count, pair in parity.latency_ms.items()
    ]
    size = ("MB", f"{parity.bytes.checkpoint / 1e6:.1f}", f"{parity.bytes.export / 1e6:.1f}")
    names, before, after = zip(*scores, size, *times, strict=True)
    columns = [Column("", names, justify="left"), Column("checkpoint", before), Column("export", after)]
    console.print(table(columns, console.width), highlight=False)
    if parity.activation_bits == 16:
        note = "activations are rounded to 16 bits, which takes longer: with 8, too many labels came out different"
        console.print(note, highlight=False, soft_wrap=True)
    if done.url is not None:
        console.print(f"uploaded: {done.url}", highlight=False, soft_wrap=True)
