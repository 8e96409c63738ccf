"""Metrics from counts of labels, each for any number of cases at once; `ftcli.tasks.ranks` has those from an order.

A case is a split whose rows count by some weights, such as a resample of it. Definitions follow scikit-learn's; a ratio
with nothing below the line is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from ftcli.tasks.breakdown import ClassRow

Score = Callable[[Tensor], Tensor]
"""From weights [rows, cases], float64, to a metric [cases]; NaN in cases where it is not defined."""
Measure = Callable[[Tensor], dict[str, Tensor]]
"""The same of several metrics, by name."""


@dataclass(frozen=True, slots=True)
class RowMetrics:
    """A split's metrics as a function of how often each of its rows counts.

    `right` tells the rows [rows] whose prediction is right, where a row is simply right or wrong. `is_vectorised` is
    whether many cases take little longer than one.
    """

    num_rows: int
    measure: Measure
    right: Tensor | None = None
    is_vectorised: bool = True

    def values(self) -> dict[str, float]:
        """Each metric of the split as it is; one that is not defined there is left out."""
        every = self.measure(torch.ones(self.num_rows, 1, dtype=torch.float64))
        return {name: float(value) for name, value in every.items() if not value.isnan()}


def joined(first: RowMetrics, second: RowMetrics) -> RowMetrics:
    """The metrics of both for the same rows; of those that have one name, the first's."""

    def measure(weights: Tensor) -> dict[str, Tensor]:
        return {**second.measure(weights), **first.measure(weights)}

    return replace(first, measure=measure, is_vectorised=first.is_vectorised and second.is_vectorised)


def together(names: Iterable[str], known: Mapping[str, Score]) -> Measure:
    """Those of the named metrics that are known here; no other is computed."""
    chosen = {name: known[name] for name in names if name in known}
    return lambda weights: {name: score(weights) for name, score in chosen.items()}


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """The mean over rows of values [rows] in each case, [cases]."""
    return values.double() @ weights / weights.sum(0)


def confusion_matrix(labels: Tensor, predicted: Tensor, num_labels: int) -> Tensor:
    """Counts [gold, predicted] as int64."""
    return torch.bincount(labels * num_labels + predicted, minlength=num_labels**2).view(num_labels, num_labels)


def weighed_confusion(labels: Tensor, predicted: Tensor, num_labels: int, weights: Tensor) -> Tensor:
    """The same in each case, [cases, gold, predicted]."""
    return sums_by(labels * num_labels + predicted, num_labels**2, weights).T.reshape(-1, num_labels, num_labels)


def sums_by(group: Tensor, num_groups: int, weights: Tensor) -> Tensor:
    """The summed weights [groups, cases] of each group's rows."""
    return weights.new_zeros(num_groups, weights.shape[1]).index_add_(0, group, weights)


def ratio(above: Tensor, below: Tensor) -> Tensor:
    """Element by element; 0 where there is nothing below the line."""
    return torch.where(below > 0, above / below.clamp(min=1), torch.zeros_like(above))


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Per label: precision, recall, F1 (float64) and the number of rows that have it (int64), each [..., labels]."""

    precision: Tensor
    recall: Tensor
    f1: Tensor
    support: Tensor

    @classmethod
    def of(cls, right: Tensor, predicted: Tensor, support: Tensor) -> ClassScores:
        """From counts [..., labels]."""
        above, said, there = right.double(), predicted.double(), support.double()
        return cls(ratio(above, said), ratio(above, there), ratio(2 * above, said + there), support.long())

    def rows(self, labels: Sequence[str]) -> list[ClassRow]:
        """The same of a single case in plain values, a row for each label."""
        precision, recall, f1, support = (
            cast("list[float]", column.flatten().tolist())
            for column in (self.precision, self.recall, self.f1, self.support)
        )
        each = zip(labels, precision, recall, f1, map(int, support), strict=True)
        return [ClassRow(*values) for values in each]


def class_scores(confusion: Tensor) -> ClassScores:
    """Precision, recall and F1 of each label, of counts [..., gold, predicted]."""
    return ClassScores.of(confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-2), confusion.sum(-1))


def label_scores(gold: Tensor, decided: Tensor, weights: Tensor | None = None) -> ClassScores:
    """Precision, recall and F1 of each label where rows have any number of them: bool [rows, labels] each.

    With weights the scores are [cases, labels].
    """
    counts = (gold & decided, decided, gold)
    if weights is None:
        return ClassScores.of(*(each.sum(0) for each in counts))
    return ClassScores.of(*(weights.T @ each.double() for each in counts))


def accuracy(confusion: Tensor) -> Tensor:
    """The share of rows whose prediction is right, of counts [..., gold, predicted]."""
    return ratio(confusion.diagonal(dim1=-2, dim2=-1).sum(-1).double(), confusion.sum((-2, -1)).double())


def matthews(confusion: Tensor) -> Tensor:
    """Matthews correlation coefficient for any number of labels (Gorodkin, 2004), of counts [..., gold, predicted]."""
    counts = confusion.double()
    total, right = counts.sum((-2, -1)), counts.diagonal(dim1=-2, dim2=-1).sum(-1)
    predicted, gold = counts.sum(-2), counts.sum(-1)
    covariance = right * total - (predicted * gold).sum(-1)
    spread = (total**2 - predicted.square().sum(-1)) * (total**2 - gold.square().sum(-1))
    return torch.where(spread > 0, covariance / spread.clamp(min=1).sqrt(), torch.zeros_like(spread))
