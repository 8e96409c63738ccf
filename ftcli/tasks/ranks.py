"""Metrics from the order of scores, or from numbers: each is made for some rows, and then called with weights.

Weights [rows, cases] give the metric [cases] of as many resamples, in which a row counts so many times: whole numbers.
A metric that is not defined in a case is NaN there. Definitions follow scikit-learn's and SciPy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from ftcli.tasks.metrics import Score, sums_by


@dataclass(frozen=True)
class Ordered:
    """Rows by their scores [rows]; equal scores share the mean of their ranks."""

    scores: Tensor

    @cached_property
    def groups(self) -> tuple[Tensor, int]:
        """Which of the different scores, in rising order, each row has, and how many there are."""
        unique: object = torch.unique(self.scores.double(), return_inverse=True)  # pyright: ignore[reportUnknownVariableType]
        values, group = cast("tuple[Tensor, Tensor]", unique)
        return group, len(values)

    def ranks(self, weights: Tensor) -> Tensor:
        """Ranks [rows, cases] from 1 among the rows that count."""
        group, num_groups = self.groups
        sizes = sums_by(group, num_groups, weights)
        return (sizes.cumsum(0) - (sizes - 1) / 2)[group]


@dataclass(frozen=True)
class RocAuc(Ordered):
    """Area under the ROC curve: how often a positive row outranks a negative one; ties count half.

    `positive` [rows] is bool. Where all rows are of one kind it is not defined.
    """

    positive: Tensor

    def __call__(self, weights: Tensor) -> Tensor:
        """The area [cases]."""
        group, num_groups = self.groups
        above = sums_by(group[self.positive], num_groups, weights[self.positive])
        below = sums_by(group[~self.positive], num_groups, weights[~self.positive])
        outranked = below.cumsum(0) - below / 2
        return (above * outranked).sum(0) / (above.sum(0) * below.sum(0))


@dataclass(frozen=True)
class MeanRocAuc:
    """The mean of the labels' areas, of `scores` and `positive` [rows, labels]; not defined where one is not."""

    scores: Tensor
    positive: Tensor

    @cached_property
    def areas(self) -> list[RocAuc]:
        """Each label's."""
        return [RocAuc(scores, positive) for scores, positive in zip(self.scores.T, self.positive.T, strict=True)]

    def __call__(self, weights: Tensor) -> Tensor:
        """The mean [cases]."""
        return torch.stack([area(weights) for area in self.areas]).mean(0)


def label_area(scores: Tensor, labels: Tensor) -> Score:
    """Area under the ROC curve of log-probabilities [rows, labels].

    That of the last label where there are two, else the mean of one against the rest.
    """
    num_labels = scores.shape[1]
    if num_labels == 2:
        return RocAuc(scores[:, 1] - scores[:, 0], labels == 1)
    return MeanRocAuc(torch.softmax(scores.double(), dim=1), labels[:, None] == torch.arange(num_labels))


@dataclass(frozen=True)
class Pearson:
    """Pearson's correlation of two lots of numbers [rows]; not defined where one of them is the same everywhere."""

    first: Tensor
    second: Tensor

    def __call__(self, weights: Tensor) -> Tensor:
        """The correlation [cases]."""
        return _correlation(self.first.double()[:, None], self.second.double()[:, None], weights)


@dataclass(frozen=True)
class Spearman:
    """Spearman's correlation: that of ranks; not defined where one of them is the same everywhere."""

    first: Ordered
    second: Ordered

    def __call__(self, weights: Tensor) -> Tensor:
        """The correlation [cases]."""
        return _correlation(self.first.ranks(weights), self.second.ranks(weights), weights)


def _correlation(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    """Of values [rows, cases], or [rows, 1] where they are the same in all cases."""
    total = weights.sum(0)
    left, right = (values - (weights * values).sum(0) / total for values in (first, second))
    spread = (weights * left.square()).sum(0).sqrt() * (weights * right.square()).sum(0).sqrt()
    varies = _varies(first, weights) & _varies(second, weights) & (spread > 0)
    return torch.where(varies, (weights * left * right).sum(0) / spread, torch.nan)


def _varies(values: Tensor, weights: Tensor) -> Tensor:
    """Whether not all rows that count have one value: told exactly, as the mean of equal numbers need not be it."""
    counts = weights > 0
    return values.where(counts, -torch.inf).amax(0) > values.where(counts, torch.inf).amin(0)
