"""Metrics, computed once over all rows: from counts of labels, from ranks of scores, or from numbers.

Definitions follow scikit-learn's; a ratio with nothing below the line is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ftcli.tasks.breakdown import ClassRow


def measured(names: Iterable[str], known: Mapping[str, Callable[[], float | None]]) -> dict[str, float]:
    """The named metrics; no other is computed, and one that is not defined (None) is left out."""
    return {name: value for name in names if (value := known[name]()) is not None}


def confusion_matrix(labels: Tensor, predicted: Tensor, num_labels: int) -> Tensor:
    """Counts [gold, predicted] as int64."""
    return torch.bincount(labels * num_labels + predicted, minlength=num_labels**2).view(num_labels, num_labels)


def ratio(above: Tensor, below: Tensor) -> Tensor:
    """Element by element; 0 where there is nothing below the line."""
    return torch.where(below > 0, above / below.clamp(min=1), torch.zeros_like(above))


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Per label: precision, recall, F1 (float64) and the number of rows that have it (int64), each [labels]."""

    precision: Tensor
    recall: Tensor
    f1: Tensor
    support: Tensor

    def rows(self, labels: Sequence[str]) -> list[ClassRow]:
        """The same in plain values, a row for each label."""
        return [
            ClassRow(label, float(self.precision[n]), float(self.recall[n]), float(self.f1[n]), int(self.support[n]))
            for n, label in enumerate(labels)
        ]


def class_scores(confusion: Tensor) -> ClassScores:
    """Precision, recall and F1 of each label."""
    right = confusion.diagonal().double()
    predicted, support = confusion.sum(0).double(), confusion.sum(1).double()
    precision, recall = ratio(right, predicted), ratio(right, support)
    return ClassScores(precision, recall, ratio(2 * right, predicted + support), confusion.sum(1))


def label_scores(gold: Tensor, decided: Tensor) -> ClassScores:
    """Precision, recall and F1 of each label where rows have any number of them: bool [rows, labels] each."""
    right, predicted, support = (gold & decided).sum(0).double(), decided.sum(0).double(), gold.sum(0).double()
    return ClassScores(
        ratio(right, predicted), ratio(right, support), ratio(2 * right, predicted + support), gold.sum(0)
    )


def accuracy(confusion: Tensor) -> float:
    """The share of rows whose prediction is right."""
    return float(confusion.diagonal().sum()) / max(int(confusion.sum()), 1)


def matthews(confusion: Tensor) -> float:
    """Matthews correlation coefficient for any number of labels (Gorodkin, 2004)."""
    counts = confusion.double()
    total, right = counts.sum(), counts.diagonal().sum()
    predicted, gold = counts.sum(0), counts.sum(1)
    covariance = right * total - predicted @ gold
    spread = (total**2 - predicted @ predicted) * (total**2 - gold @ gold)
    return float(covariance / spread.sqrt()) if spread > 0 else 0.0


def roc_auc(scores: Tensor, positive: Tensor) -> float | None:
    """Area under the ROC curve: how often a positive row outranks a negative one; ties count half.

    Args:
        scores: [rows], higher means more positive.
        positive: [rows], bool.

    Returns:
        The area, or None where all rows are of one kind.
    """
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    if num_positive == 0 or num_negative == 0:
        return None
    ranks = _mean_ranks(scores.double())
    return float((ranks[positive].sum() - num_positive * (num_positive + 1) / 2) / (num_positive * num_negative))


def _mean_ranks(scores: Tensor) -> Tensor:
    """Ranks from 1, equal scores sharing the mean of theirs."""
    unique: object = torch.unique(scores, return_inverse=True, return_counts=True)  # pyright: ignore[reportUnknownVariableType]
    group, counts = cast("tuple[Tensor, Tensor, Tensor]", unique)[1:]
    return (counts.cumsum(0).double() - (counts - 1) / 2)[group]


def mean_roc_auc(scores: Tensor, labels: Tensor) -> float | None:
    """Area under the ROC curve: of the last label where there are two, else the mean of one against the rest."""
    num_labels = scores.shape[1]
    if num_labels == 2:
        return roc_auc(scores[:, 1] - scores[:, 0], labels == 1)
    probabilities = torch.softmax(scores.double(), dim=1)
    areas = [roc_auc(probabilities[:, number], labels == number) for number in range(num_labels)]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if len(known) == num_labels else None


def pearson(first: Tensor, second: Tensor) -> float | None:
    """Pearson's correlation of two lots of numbers [rows]; None where one of them is the same everywhere."""
    if any(bool((values == values[0]).all()) for values in (first, second)):
        return None  # the mean of equal numbers need not be that number, to the last bit
    left, right = (values.double() - values.double().mean() for values in (first, second))
    spread = float((left @ left).sqrt() * (right @ right).sqrt())
    return float(left @ right) / spread if spread > 0 else None


def spearman(first: Tensor, second: Tensor) -> float | None:
    """Spearman's rank correlation; equal numbers share the mean of their ranks."""
    return pearson(_mean_ranks(first.double()), _mean_ranks(second.double()))
