"""Metrics of classification, computed once over all rows: from the confusion matrix, or from ranks of scores.

Definitions follow scikit-learn's; a ratio with nothing below the line is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor


def confusion_matrix(labels: Tensor, predicted: Tensor, num_labels: int) -> Tensor:
    """Counts [gold, predicted] as int64."""
    return torch.bincount(labels * num_labels + predicted, minlength=num_labels**2).view(num_labels, num_labels)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below.clamp(min=1), torch.zeros_like(above))


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Per label: precision, recall, F1 (float64) and the number of rows that have it (int64), each [labels]."""

    precision: Tensor
    recall: Tensor
    f1: Tensor
    support: Tensor


def class_scores(confusion: Tensor) -> ClassScores:
    """Precision, recall and F1 of each label."""
    right = confusion.diagonal().double()
    predicted, support = confusion.sum(0).double(), confusion.sum(1).double()
    precision, recall = _ratio(right, predicted), _ratio(right, support)
    return ClassScores(precision, recall, _ratio(2 * right, predicted + support), confusion.sum(1))


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
