"""Any number of labels for each row: every label is a question of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import RecipeError
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.encoding import Fields
from ftcli.spec.choices import ClassificationTask
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch, Inference, at_least_single, mean_over_sequences, row_labels
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.losses import ItemLoss, each_item, item_loss
from ftcli.tasks.metrics import label_scores, ratio, roc_auc


@dataclass(frozen=True, slots=True)
class MultiLabel:
    """A sigmoid for each label; an item is a row, whose loss is the sum over labels.

    A row has the labels whose probability reaches their threshold. `weights` of labels are 1 on average. What it
    concludes are probabilities [rows, labels].
    """

    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    thresholds: tuple[float, ...]
    weights: tuple[float, ...] | None = None
    own: ItemLoss | None = None
    results: tuple[str, ...] = ("labels", "probabilities")

    @property
    def outputs(self) -> Outputs:
        """A logit for each label."""
        return Outputs(self.labels, problem="multi_label_classification")

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> float:
        """Every sequence is an item."""
        return len(split.sequences_of(rows))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Binary cross-entropy summed over labels and rows."""
        return self._summed(model(**batch.inputs).logits, batch.labels)

    def _summed(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.own is not None:
            return each_item(self.own, logits, labels).sum()
        logits = at_least_single(logits)
        weights = None if self.weights is None else torch.tensor(self.weights, device=logits.device, dtype=logits.dtype)
        return binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), weights, reduction="sum")

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """Logits [sequences, labels] and, if asked for, the summed loss."""
        logits = model(**batch.inputs).logits
        return Inference(at_least_single(logits), self._summed(logits, batch.labels) if with_loss else None)

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:  # noqa: ARG002
        """Probabilities [rows, labels], float64."""
        return mean_over_sequences(torch.sigmoid(scores.double()), split)

    def _decided(self, found: Tensor) -> Tensor:
        return found >= torch.tensor(self.thresholds, dtype=found.dtype)

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The chosen metrics; ROC-AUC, the mean over labels, is left out where a label has no rows or all of them."""
        gold, decided = row_labels(split).bool(), self._decided(found)
        right = (gold & decided).double()
        of_rows = ratio(2 * right.sum(1), gold.sum(1).double() + decided.sum(1).double())
        # A row that has no label and is given none is a hit.
        of_rows[(gold.sum(1) == 0) & (decided.sum(1) == 0)] = 1.0
        areas = [roc_auc(found[:, number], gold[:, number]) for number in range(len(self.labels))]
        known = [area for area in areas if area is not None]
        values: dict[str, float | None] = {
            "f1_micro": float(ratio(2 * right.sum(), (gold.sum() + decided.sum()).double())),
            "f1_macro": float(label_scores(gold, decided).f1.mean()),
            "f1_samples": float(of_rows.mean()),
            "exact_match": float((gold == decided).all(1).double().mean()),
            "roc_auc": sum(known) / len(known) if len(known) == len(areas) else None,
        }
        return {name: value for name in self.metrics if (value := values[name]) is not None}

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
    weights = section.class_weights if isinstance(section.class_weights, dict) else {}
    for key, named in (("threshold", given), ("class_weights", weights)):
        if strange := sorted(set(named) - set(facts.labels)):
            what = f"`task.{key}` names the label `{strange[0]}`; the labels are {', '.join(facts.labels)}"
            raise RecipeError(what, key=("task", key))
    common = section.threshold if isinstance(section.threshold, float) else 0.5
    return MultiLabel(
        labels=facts.labels,
        metrics=METRICS["multilabel"] if evaluate.metrics == "auto" else evaluate.metrics,
        thresholds=tuple(given.get(label, common) for label in facts.labels),
        weights=_on_average_one([weights.get(label, 1.0) for label in facts.labels]) if weights else None,
        own=item_loss(section.loss),
    )


def _on_average_one(weights: Sequence[float]) -> tuple[float, ...]:
    """Every row has every label's weight, so dividing by their sum is the same for all rows."""
    mean = sum(weights) / len(weights)
    return tuple(weight / mean for weight in weights)
