"""Any number of labels for each row: every label is a question of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.encoding import Fields
from ftcli.spec.choices import ClassificationTask
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import mean_over_sequences, row_labels
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.by_label import values_by_label
from ftcli.tasks.classification import class_weights
from ftcli.tasks.losses import BinaryLoss, item_loss
from ftcli.tasks.metrics import label_scores, measured, ratio, roc_auc
from ftcli.tasks.rowwise import RowTask


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLabel(RowTask):
    """A sigmoid for each label; a row's loss is the sum over labels.

    A row has the labels whose probability reaches their threshold. What it concludes are probabilities [rows, labels].
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    results: tuple[str, ...] = ("labels", "probabilities")

    @property
    def outputs(self) -> Outputs:
        """A logit for each label."""
        return Outputs(self.labels, problem="multi_label_classification", logits_alone=True)

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:  # noqa: ARG002
        """Probabilities [rows, labels], float64."""
        return mean_over_sequences(torch.sigmoid(scores.double()), split)

    def _decided(self, found: Tensor) -> Tensor:
        return found >= torch.tensor(self.thresholds, dtype=found.dtype)

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The chosen metrics; ROC-AUC, the mean over labels, is left out where a label has no rows or all of them."""
        gold, decided = row_labels(split).bool(), self._decided(found)
        known: dict[str, Callable[[], float | None]] = {
            "f1_micro": lambda: _f1(gold, decided, dim=(0, 1)).item(),
            "f1_macro": lambda: float(label_scores(gold, decided).f1.mean()),
            # A row that has no label and is given none is a hit.
            "f1_samples": lambda: float(_f1(gold, decided, dim=1).where((gold | decided).any(1), 1.0).mean()),
            "exact_match": lambda: float((gold == decided).all(1).double().mean()),
            "roc_auc": lambda: _mean_area(found, gold),
        }
        return measured(self.metrics, known)

    def detail(self, found: Tensor, split: TokenizedSplit) -> Breakdown:
        """Each label's scores."""
        return Breakdown(label_scores(row_labels(split).bool(), self._decided(found)).rows(self.labels))

    def answers(self, found: Tensor, split: TokenizedSplit, rows: Iterable[Fields]) -> Iterator[Fields]:  # noqa: ARG002
        """The labels, and every label's probability."""
        for probabilities, decided in zip(found, self._decided(found), strict=True):
            numbers = cast("list[int]", decided.nonzero()[:, 0].tolist())
            values = cast("list[float]", probabilities.tolist())
            shown = {label: round(value, 6) for label, value in zip(self.labels, values, strict=True)}
            yield {"labels": [self.labels[number] for number in numbers], "probabilities": shown}


def build_multi_label(section: ClassificationTask, facts: LabelFacts, evaluate: EvaluateSection) -> MultiLabel:
    """The task for these labels.

    Raises:
        RecipeError: a threshold or a weight is of no label.
    """
    given = section.threshold if isinstance(section.threshold, dict) else {}
    common = section.threshold if isinstance(section.threshold, float) else 0.5
    weights = class_weights(section.class_weights, facts.labels)
    return MultiLabel(
        labels=facts.labels,
        metrics=METRICS["multilabel"] if evaluate.metrics == "auto" else evaluate.metrics,
        thresholds=values_by_label(given, facts.labels, default=common, key="threshold"),
        criterion=BinaryLoss(weights=_on_average_one(weights) if weights else None, own=item_loss(section.loss)),
    )


def _f1(gold: Tensor, decided: Tensor, *, dim: int | tuple[int, ...]) -> Tensor:
    """F1 over some dimensions of bool [rows, labels]."""
    right, both = (gold & decided).sum(dim), gold.sum(dim) + decided.sum(dim)
    return ratio(2 * right.double(), both.double())


def _mean_area(found: Tensor, gold: Tensor) -> float | None:
    """The mean of the labels' areas under the ROC curve; None where one is not defined."""
    areas = [roc_auc(found[:, number], gold[:, number]) for number in range(gold.shape[1])]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if len(known) == len(areas) else None


def _on_average_one(weights: Sequence[float]) -> tuple[float, ...]:
    """Every row has every label's weight, so dividing by their sum is the same for all rows."""
    mean = sum(weights) / len(weights)
    return tuple(weight / mean for weight in weights)
