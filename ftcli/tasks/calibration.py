"""Fitting what turns scores into probabilities and labels: a temperature, and thresholds.

One number that divides all logits changes no likeliest label, only how sure the model is (Guo et al., 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp, log, sqrt

import torch
from torch import Tensor, nn

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import DataError, UsageError
from ftcli.spec.calibration import Calibration
from ftcli.tasks.base import Task
from ftcli.tasks.classification import Classification
from ftcli.tasks.custom import inner_task, with_inner
from ftcli.tasks.metrics import ratio
from ftcli.tasks.multilabel import MultiLabel
from ftcli.tasks.regression import Regression
from ftcli.tasks.reliability import Answers
from ftcli.tasks.tagging import Tagging

HOTTEST = 20.0
"""Temperatures are looked for from its reciprocal up to it."""
_STEPS = 40
_GOLDEN = (sqrt(5) - 1) / 2
_APART = 1e-5
"""The least distance of two probabilities that a threshold comes between."""


def calibrated(task: Task, calibration: Calibration | None) -> Task:
    """The task with a checkpoint's calibration, if it has one."""
    inner = inner_task(task)
    if calibration is None or not isinstance(inner, Classification | MultiLabel):
        return task
    return with_inner(task, inner.calibrated(calibration))


def answers_of(task: Task, found: Tensor, split: TokenizedSplit) -> Answers | None:
    """The yes-or-no answers behind what a task concludes, for `reliability`; None for tasks without probabilities.

    Of two labels, whether a row has the last one; of more, whether it has the likeliest; of any number, each of them.
    """
    inner = inner_task(task)
    return inner.answers_given(found, split) if isinstance(inner, Classification | MultiLabel) else None


def to_calibrate(task: Task) -> Classification | MultiLabel:
    """The task itself, if it has probabilities that can be calibrated.

    Raises:
        UsageError: it has none, with the reason.
    """
    match inner_task(task):
        case Classification() | MultiLabel() as inner:
            return inner
        case Tagging():
            what = "a tagger gives the best tags of a whole sentence, and no probability that could be calibrated"
        case Regression():
            what = "regression gives a number, and no probability that could be calibrated"
        case _:
            what = "what the scores of a custom task mean only it knows, so ftcli can't calibrate them"
    raise UsageError(what, hint="--calibrate and --tune-threshold are for kind = classification")


def fit_temperature(
    task: Classification | MultiLabel, model: nn.Module, scores: Tensor, split: TokenizedSplit
) -> float:
    """The temperature under which the rows' labels are likeliest (golden-section search on its logarithm).

    Args:
        task: What the scores mean; a temperature that it has is not heeded.
        model: What gave the scores.
        scores: What it says of each sequence, [sequences, labels].
        split: The labelled rows.

    Raises:
        DataError: there is none, as where all rows are right or all are wrong.
    """

    def loss_at(place: float) -> float:
        warm = replace(task, temperature=exp(place))
        return warm.log_loss(warm.conclude(model, scores, split), split)

    edge = log(HOTTEST)
    place = _lowest(loss_at, -edge, edge)
    if edge - abs(place) < 1e-3:
        side = f"above {HOTTEST:g}" if place > 0 else f"below {1 / HOTTEST:g}"
        what = f"the best temperature for these {split.num_rows:,} rows lies {side}, where they tell nothing of others"
        raise DataError(what, hint="rows that are all right, all wrong, or few can't calibrate; use more")
    return exp(place)


def _lowest(value: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that falls and then rises is lowest."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = value(right)
    return (low + high) / 2


def tune_thresholds(task: Classification | MultiLabel, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
    """The thresholds that give each label the best F1 on these rows; a label that no row has is left out.

    Of two labels, of which a row has one, there is that of the last.
    """
    asked = task.questions(found, split)
    values = best_thresholds(asked.probabilities, asked.gold)
    each = zip(asked.labels, values, strict=True)
    return {label: float(value) for label, value in each if not value.isnan()}


def best_thresholds(probabilities: Tensor, gold: Tensor) -> Tensor:
    """The threshold of each label [labels] with the best F1, of [rows, labels] each; NaN for a label without rows.

    It lies midway between two neighbouring probabilities, the higher of which still has the label. Those that differ by
    no more than the same row does in another batch can't be parted.
    """
    ordered, order = probabilities.double().sort(dim=0, descending=True)
    right = gold.gather(0, order).cumsum(0).double()
    decided = torch.arange(1, len(gold) + 1).double()[:, None]
    below = torch.cat((ordered[1:], torch.zeros_like(ordered[:1])))
    f1 = ratio(2 * right, decided + gold.sum(0)).where(ordered - below > _APART, -1.0)
    best = f1.argmax(0, keepdim=True)
    midway = ((ordered + below) / 2).gather(0, best)[0]
    return midway.where(gold.any(0) & (midway > 0), torch.nan)
