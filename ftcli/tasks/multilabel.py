"""Any number of labels for each row: every label is a question of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.encoding import Fields
from ftcli.spec.calibration import Calibration
from ftcli.spec.choices import ClassificationTask
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import mean_over_sequences, row_labels
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.by_label import values_by_label
from ftcli.tasks.classification import class_weights
from ftcli.tasks.losses import BinaryLoss, item_loss
from ftcli.tasks.metrics import RowMetrics, Score, label_scores, mean, ratio, together
from ftcli.tasks.ranks import MeanRocAuc
from ftcli.tasks.reliability import Answers, Questions
from ftcli.tasks.rowwise import RowTask


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLabel(RowTask):
    """A sigmoid for each label, of logits divided by `temperature`; a row's loss is the sum over labels.

    A row has the labels whose probability reaches their threshold. What it concludes are probabilities [rows, labels].
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    temperature: float = 1.0
    results: tuple[str, ...] = ("labels", "probabilities")

    @property
    def outputs(self) -> Outputs:
        """A logit for each label."""
        return Outputs(self.labels, problem="multi_label_classification", logits_alone=True)

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:  # noqa: ARG002
        """Probabilities [rows, labels], float64."""
        return mean_over_sequences(torch.sigmoid(scores.double() / self.temperature), split)

    def _decided(self, found: Tensor) -> Tensor:
        return found >= torch.tensor(self.thresholds, dtype=found.dtype)

    def row_metrics(self, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """The chosen metrics; ROC-AUC, the labels' mean, is not defined where one of them has no rows or all."""
        return self.metrics_of(self._decided(found), found, split)

    def metrics_of(self, decided: Tensor, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """The same of rows whose labels have been decided, bool [rows, labels]."""
        gold = row_labels(split).bool()
        known = {**scores_of_sets(gold, decided), "roc_auc": MeanRocAuc(found, gold)}
        return RowMetrics(split.num_rows, together(self.metrics, known))

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

    def calibrated(self, calibration: Calibration) -> MultiLabel:
        """The task with this temperature, and with these thresholds in place of its own."""
        known = zip(self.labels, self.thresholds, strict=True)
        thresholds = tuple(calibration.thresholds.get(label, own) for label, own in known)
        return replace(self, temperature=calibration.temperature, thresholds=thresholds)

    def log_loss(self, found: Tensor, split: TokenizedSplit) -> float:
        """The mean surprise, in nats, at each row's having or not having each label."""
        return float(binary_cross_entropy(found, row_labels(split).double()))

    def answers_given(self, found: Tensor, split: TokenizedSplit) -> Answers:
        """Of each row and each label, whether it has it."""
        return Answers(found.flatten(), row_labels(split).bool().flatten())

    def questions(self, found: Tensor, split: TokenizedSplit) -> Questions:
        """Whether each row has each label."""
        return Questions(self.labels, found, row_labels(split).bool())


def scores_of_sets(gold: Tensor, decided: Tensor) -> dict[str, Score]:
    """The metrics of sets of labels, bool [rows, labels] each, by name."""
    right, both = (gold & decided).sum(1).double(), gold.sum(1).double() + decided.sum(1)
    # A row that has no label and is given none is a hit.
    f1_of_rows = ratio(2 * right, both).where(both > 0, 1.0)
    return {
        "f1_micro": lambda weights: ratio(2 * right @ weights, both @ weights),
        "f1_macro": lambda weights: label_scores(gold, decided, weights).f1.mean(1),
        "f1_samples": partial(mean, f1_of_rows),
        "exact_match": partial(mean, (gold == decided).all(1)),
    }


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


def _on_average_one(weights: Sequence[float]) -> tuple[float, ...]:
    """Every row has every label's weight, so dividing by their sum is the same for all rows."""
    mean = sum(weights) / len(weights)
    return tuple(weight / mean for weight in weights)
