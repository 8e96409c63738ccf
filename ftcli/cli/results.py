"""The results of an evaluation as tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

import orjson
from rich.console import Console, RenderableType
from rich.text import Text

from ftcli.cli.scores import besides, notes_on, scores_with_intervals
from ftcli.cli.table import Column, table
from ftcli.flows.evaluate import Report
from ftcli.flows.figures import figure, flat
from ftcli.spec.wording import counted
from ftcli.tasks.breakdown import ClassRow, most_confused
from ftcli.tasks.intervals import Interval

MOST_MATRIX_LABELS = 12
MOST_CONFUSIONS = 5


def show_evaluation(
    console: Console,
    *,
    title: str,
    rows: int,
    loss: float | None,
    metrics: Mapping[str, float],
    per_class: Sequence[ClassRow],
    confusion: Sequence[Sequence[int]] | None,
    labels: Sequence[str],
    intervals: Mapping[str, Interval] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Print an evaluation.

    Args:
        console: Where to print.
        title: What was scored: the split's name.
        rows: Rows scored.
        loss: The mean loss over items; None where there is none.
        metrics: Each metric's value.
        per_class: Label, precision, recall, f1 and support; empty for tasks without labels.
        confusion: Counts, one row for each gold label; may be empty.
        labels: The labels in the matrix's order.
        intervals: The metrics' 95 % intervals, of those that have one.
        notes: What there is to know of the scores.
    """
    scores = {**({} if loss is None else {"loss": loss}), **metrics}
    parts: list[RenderableType] = [_title(title, counted(rows, "row")), scores_with_intervals(scores, intervals or {})]
    parts += [Text(f"  {note}", style="dim") for note in notes]
    if per_class:
        parts += [Text(), _classes(per_class, console.width)]
    if confusion:
        parts += [Text(), *_confusion(confusion, [flat(label) for label in labels], console.width)]
    for part in parts:
        console.print(part, highlight=False)


def show_report(console: Console, report: Report) -> None:
    """Print a checkpoint's scores."""
    show_evaluation(
        console,
        title=f"{report.checkpoint} on {report.data}",
        rows=report.num_rows,
        loss=report.loss,
        metrics=report.metrics,
        per_class=report.per_class,
        confusion=report.confusion,
        labels=report.labels,
        intervals=report.intervals,
        notes=list(notes_on(report)),
    )
    for part in besides(report, console.width):
        console.print(part, highlight=False, soft_wrap=isinstance(part, Text))


def _title(name: str, facts: str) -> Text:
    return Text.assemble((flat(name), "bold"), f"  {facts}")


def _classes(per_class: Sequence[ClassRow], width: int) -> RenderableType:
    columns = [
        Column("label", [flat(row.label) for row in per_class], justify="left", folds=True),
        Column("precision", [figure(row.precision) for row in per_class], rank=2),
        Column("recall", [figure(row.recall) for row in per_class], rank=2),
        Column("f1", [figure(row.f1) for row in per_class], least=6),
        Column("support", [f"{row.support:,}" for row in per_class], rank=1),
    ]
    return table(columns, width)


def _confusion(counts: Sequence[Sequence[int]], labels: Sequence[str], width: int) -> Iterator[RenderableType]:
    if len(labels) <= MOST_MATRIX_LABELS:
        for names in (labels, [str(number + 1) for number in range(len(labels))]):
            columns = _matrix(counts, labels, names)
            if sum(column.width + 2 for column in columns) - 2 <= width:
                yield Text("confusion matrix (rows: gold, columns: predicted)", style="dim")
                yield table(columns, width, diagonal=True)
                return
    yield from _most_confused(counts, labels, width)


def _matrix(counts: Sequence[Sequence[int]], labels: Sequence[str], names: Sequence[str]) -> list[Column]:
    """The matrix under the labels, or under their numbers where the labels are too wide."""
    rows = labels if names is labels else [f"{name} {label}" for name, label in zip(names, labels, strict=True)]
    heads = Column("", rows, justify="left")
    return [heads, *(Column(name, [f"{row[place]:,}" for row in counts]) for place, name in enumerate(names))]


def _most_confused(counts: Sequence[Sequence[int]], labels: Sequence[str], width: int) -> Iterator[RenderableType]:
    worst = most_confused(counts, labels, most=MOST_CONFUSIONS)
    if not worst:
        yield Text(f"no label was mistaken for another of the {len(labels)}", style="dim")
        return
    yield Text(f"most frequent confusions (there is no room for a matrix of {len(labels)} labels)", style="dim")
    columns = [
        Column("gold", [gold for _, gold, _ in worst], justify="left", folds=True),
        Column("predicted", [predicted for _, _, predicted in worst], justify="left", folds=True),
        Column("rows", [f"{count:,}" for count, _, _ in worst]),
    ]
    yield table(columns, width)


def print_json(value: object) -> None:
    """Print a dataclass as JSON on standard output, whole, whatever the terminal's width."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
