"""How sure the scores of an evaluation are: their intervals, how a rival does, and whether probabilities hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from ftcli.cli.table import Column, table
from ftcli.flows.calibrate import Fitted
from ftcli.flows.compare import Comparison
from ftcli.flows.evaluate import FITTED_ON, Report
from ftcli.flows.figures import figure, flat
from ftcli.spec.wording import counted
from ftcli.tasks.intervals import Interval
from ftcli.tasks.mcnemar import McNemar
from ftcli.tasks.reliability import Reliability

INDENT = "  "


def scores_with_intervals(scores: Mapping[str, float], intervals: Mapping[str, Interval]) -> Text:
    """A line for each score, with its interval where it has one."""
    width = max(map(cell_len, scores), default=0)
    shown = Text()
    for number, (name, value) in enumerate(scores.items()):
        shown.append("\n" if number else "")
        shown.append(f"{INDENT}{name}{' ' * (width - cell_len(name))}  {figure(value):>8}")
        if name in intervals:
            shown.append(f"  {_range(intervals[name])}", style="dim")
    return shown


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"{figure(interval.low)} to {figure(interval.high)}"


def notes_on(report: Report) -> Iterator[str]:
    """Whose score `f1` is, where intervals come from, and what has none."""
    if "f1" in report.metrics and len(report.labels) == 2:
        yield f"f1 is that of {flat(report.labels[-1])}, the last of the two labels"
    if report.resamples is None:
        yield "no intervals: the task does not tell its metrics row by row"
    if not report.resamples:
        return
    if report.intervals:
        yield f"95 % intervals, from {counted(report.resamples, 'resample')} of the rows"
    if without := [flat(name) for name in report.metrics if name not in report.intervals]:
        yield f"no interval for {', '.join(without)}: all resamples give the same"


def besides(report: Report, width: int) -> Iterator[RenderableType]:
    """What follows the scores: whether probabilities hold, what was fitted, and a rival."""
    if report.reliability is not None:
        yield from _reliability(report, report.reliability, width)
    if report.fitted is not None:
        yield from _fitted(report, report.fitted, width)
    if report.comparison is not None:
        yield from _comparison(report, report.comparison, width)


def _reliability(report: Report, found: Reliability, width: int) -> Iterator[RenderableType]:
    yield Text()
    interval = report.intervals.get("ece")
    error = f"expected calibration error {figure(found.ece)}" + (f", {_range(interval)}" if interval else "")
    heading = f"{_said(report)} ({error})"
    yield Text(heading, style="dim")
    columns = [
        Column("probability", [f"{each.low:.1f} to {each.high:.1f}" for each in found.bins], justify="left"),
        Column("answers", [f"{each.count:,}" for each in found.bins], rank=1),
        Column("on average", [figure(each.probability) for each in found.bins]),
        Column("is so in", [figure(each.share) for each in found.bins]),
    ]
    yield table(columns, width)


def _said(report: Report) -> str:
    if report.confusion is None:
        return "probabilities of all labels, and how often they are so"
    if len(report.labels) == 2:
        return f"probability of {flat(report.labels[-1])}, and how often it is so"
    return "probability of the likeliest label, and how often it is so"


def _fitted(report: Report, fitted: Fitted, width: int) -> Iterator[RenderableType]:
    yield Text()
    known = f"temperature {fitted.temperature:.3f}"
    for label, value in fitted.thresholds.items():
        known += f", threshold of {flat(label)} {value:.3f}"
    where = f"fitted on {flat(fitted.data)} ({counted(fitted.num_rows)}) and kept in {flat(report.checkpoint)}"
    yield Text(f"{known}: {where}")
    before, after = fitted.before, fitted.after
    rows = [("log loss", before.log_loss, after.log_loss), ("calibration error", before.ece, after.ece)]
    if before.f1 is not None and after.f1 is not None:
        rows.append(("f1", before.f1, after.f1))
    columns = [
        Column("on these rows", [name for name, _, _ in rows], justify="left"),
        Column("before", [figure(value) for _, value, _ in rows]),
        Column("after", [figure(value) for _, _, value in rows]),
    ]
    yield table(columns, width)
    if report.data == fitted.data:
        yield Text(
            f"the scores above are of the {FITTED_ON} rows it was fitted on; --split test has others", style="dim"
        )


def _comparison(report: Report, found: Comparison, width: int) -> Iterator[RenderableType]:
    yield Text()
    differences = found.metrics.values()
    columns = [
        Column("", list(found.metrics), justify="left"),
        Column(flat(report.checkpoint), [figure(each.ours) for each in differences], rank=1),
        Column(flat(found.other), [figure(each.other) for each in differences], rank=1),
        Column("difference", [_signed(each.difference) for each in differences]),
        Column("95 % interval", [_interval(each.interval) for each in differences]),
    ]
    yield table(columns, width)
    if found.mcnemar is not None:
        yield Text(_mcnemar(found.mcnemar, report.checkpoint, found.other), style="dim")
    yield Text(flat(found.verdict), style="bold")


def _signed(value: float) -> str:
    return f"{value:+.4f}" if value == 0 or 5e-5 <= abs(value) < 1000 else f"{'+' if value > 0 else ''}{figure(value)}"


def _interval(interval: Interval | None) -> str:
    return "none" if interval is None else f"{_signed(interval.low)} to {_signed(interval.high)}"


def _mcnemar(found: McNemar, ours: str, other: str) -> str:
    only = (
        f"only {flat(ours)} is right in {counted(found.only_first)}, only {flat(other)} in {counted(found.only_second)}"
    )
    return f"{only} (McNemar's test, exact: p = {figure(found.p_value)})"
