"""`ftcli eval --compare`: two models on the same rows, and whether what sets them apart is more than chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import CheckpointError, UsageError
from ftcli.flows.answered import read_predictions
from ftcli.flows.figures import figure
from ftcli.flows.labelled import LabelledRows
from ftcli.flows.predictor import Predictor, open_predictor
from ftcli.flows.sample import score_sample
from ftcli.runtime.activity import Working
from ftcli.runtime.encoding import Fields
from ftcli.spec.choices import card_task
from ftcli.spec.metrics import SHARES, better_values
from ftcli.spec.wording import counted
from ftcli.tasks.base import Resampling
from ftcli.tasks.intervals import Interval, bootstrap, difference
from ftcli.tasks.mcnemar import McNemar, mcnemar
from ftcli.tasks.metrics import RowMetrics


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of both, and how much more the other has, with the interval of that; None where there is none."""

    ours: float
    other: float
    difference: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same rows, metric by metric; McNemar's test where a row is simply right or wrong."""

    other: str
    metrics: dict[str, Difference]
    mcnemar: McNemar | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Rival:
    """Another model, or its predictions, for the rows that are scored, which it fits; `measure` gives its metrics."""

    name: str
    measure: Callable[[TokenizedSplit], Working[RowMetrics]]


def open_rival(
    other: Path, rows: LabelledRows, ours: Predictor, checkpoint: Path, *, code: Path | None = None
) -> Rival:
    """Make sure that another model, or its predictions, can be held against ours, before either scores anything.

    Args:
        other: A checkpoint, an exported folder, or a file of predictions.
        rows: The rows, in memory.
        ours: Our model.
        checkpoint: Where it is from.
        code: Where code of the user's own is.

    Raises:
        CheckpointError: it can't be used, or knows other labels.
        DataError: it is predictions for other rows.
        UsageError: a task does not tell its metrics row by row.
    """
    _check_resampling(ours, checkpoint)
    if other.is_file():
        measured = read_predictions(other, rows, ours)
        return Rival(str(other), lambda split: _at_once(measured(split)))
    theirs = open_predictor(other, device=str(ours.world.device), batch_size=_batch_size(ours), code=code)
    _check_alike(theirs, ours, other)
    _check_resampling(theirs, other)
    named = LabelledRows(f"{rows.name} by {other}", _renamed(rows, ours, theirs), rows.total)
    return Rival(str(other), lambda _: _scored_by(theirs, named))


def _at_once(metrics: RowMetrics) -> Working[RowMetrics]:
    yield from ()
    return metrics


def _scored_by(predictor: Predictor, rows: LabelledRows) -> Working[RowMetrics]:
    sample = yield from score_sample(predictor, rows)
    return cast("RowMetrics", sample.metrics_by(predictor))


def compare(
    rival: Rival, ours: RowMetrics, split: TokenizedSplit, *, leading: str, resamples: int
) -> Working[Comparison]:
    """Hold a rival against ours.

    Args:
        rival: The other model, or its predictions.
        ours: Our metrics.
        split: The rows.
        leading: The metric that decides, if both have it.
        resamples: How many resamples intervals are from.

    Raises:
        UsageError: there is nothing to compare.
    """
    theirs = yield from rival.measure(split)
    before, after = ours.values(), theirs.values()
    apart = difference(ours, theirs)
    intervals = yield from bootstrap(apart, resamples=resamples)
    metrics = {
        name: Difference(before[name], after[name], after[name] - before[name], intervals.get(name))
        for name in before
        if name in after
    }
    if not metrics:
        raise UsageError(f"there is no metric that both {rival.name} and the checkpoint have")
    leading = leading if leading in metrics else next(iter(metrics))
    return Comparison(
        other=rival.name,
        metrics=metrics,
        mcnemar=mcnemar(ours.right, theirs.right) if ours.right is not None and theirs.right is not None else None,
        verdict=verdict(rival.name, leading, metrics[leading]),
    )


def _check_resampling(predictor: Predictor, checkpoint: Path) -> None:
    if not isinstance(predictor.task, Resampling):
        what = f"the task of {checkpoint} does not tell its metrics row by row, so it can't be compared"
        raise UsageError(what, hint="give it `row_metrics`, as ftcli.tasks.base.Resampling says")


def _batch_size(predictor: Predictor) -> int | None:
    return None if predictor.batch_size == "auto" else predictor.batch_size


def _check_alike(theirs: Predictor, ours: Predictor, other: Path) -> None:
    mine, its = ours.card, theirs.card
    if card_task(mine.task) != card_task(its.task) or len(mine.columns.texts) != len(its.columns.texts):
        what = (
            f"{other} was trained for another task: {card_task(its.task)} of {counted(len(its.columns.texts), 'text')}"
        )
        hint = f"compare models for {card_task(mine.task)} of {counted(len(mine.columns.texts), 'text')}"
        raise CheckpointError(what, hint=hint)
    if mine.labels != its.labels:
        what = f"{other} knows the labels {', '.join(its.labels)}, and the checkpoint {', '.join(mine.labels)}"
        raise CheckpointError(what, hint="compare models with the same labels, in the same order")
    known = {each.module: each.sha256 for each in mine.code}
    if clashing := [each.module for each in its.code if known.get(each.module, each.sha256) != each.sha256]:
        what = f"{other} needs another `{clashing[0]}` than the checkpoint, and one process can't have both"
        raise CheckpointError(what, hint="`ftcli predict` with it, and compare with the predictions")


def _renamed(rows: LabelledRows, ours: Predictor, theirs: Predictor) -> Iterable[Fields]:
    """The rows under the names that the other model has for their columns."""
    mine, its = ours.card.columns, theirs.card.columns
    if mine == its:
        return rows.rows
    names = dict(zip((*mine.texts, mine.label), (*its.texts, its.label), strict=True))
    return [{names.get(name) or name: value for name, value in row.items()} for row in rows.rows]


def verdict(
    other: str,
    metric: str,
    found: Difference,
    *,
    better: str = "auto",
    without: str = "for all resamples give the same",
) -> str:
    """What it comes to, in a sentence; figures that are shares are given in points of a hundred.

    `better` says whether "higher" or "lower" values are, as a recipe does; where there is no interval, `without` says
    why.
    """
    gain = -found.difference if better_values(better, metric) == "lower" else found.difference
    unit, scale = (f"points of {metric}", 100.0) if metric in SHARES else (f"of {metric}", 1.0)
    word = "better" if gain > 0 else "worse"
    amount = f"{abs(gain) * scale:.1f}" if scale > 1 else figure(abs(gain))
    lead = f"{other} is {word} by {amount} {unit}" if gain else f"{other} has the same {metric}"
    if found.interval is None:
        return f"{lead}; there is no interval, {without}"
    sign = (1 if found.difference > 0 else -1) * scale if found.difference else scale
    low, high = sorted((found.interval.low * sign, found.interval.high * sign))
    digits = 1 if scale > 1 else 4
    is_shown = low > 0 or high < 0
    bounds = f"95 % interval {low:.{digits}f} to {high:.{digits}f}"
    return f"{lead}, {bounds}: {'shown' if is_shown else 'not shown'}"
