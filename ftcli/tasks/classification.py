"""One label for each row, of a text or of a pair of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import RecipeError, UsageError
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.encoding import Fields
from ftcli.spec.calibration import Calibration
from ftcli.spec.choices import ClassificationTask, ClassWeights
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch, mean_over_sequences, row_labels
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.by_label import values_by_label
from ftcli.tasks.losses import LabelLoss, divergence, item_loss
from ftcli.tasks.metrics import (
    RowMetrics,
    Score,
    accuracy,
    class_scores,
    confusion_matrix,
    matthews,
    together,
    weighed_confusion,
)
from ftcli.tasks.ranks import label_area
from ftcli.tasks.reliability import Answers, Questions
from ftcli.tasks.rowwise import RowTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification(RowTask):
    """Softmax over labels, of logits divided by `temperature`. Of two labels the last is the positive.

    A row has the likeliest label or, where there is a `threshold`, the positive one from that probability on. What it
    concludes are the labels' log-probabilities [rows, labels].
    """

    labels: tuple[str, ...]
    criterion: LabelLoss = field(default_factory=LabelLoss)
    r_drop: float | None = None
    temperature: float = 1.0
    threshold: float | None = None
    results: tuple[str, ...] = ("label", "probability")

    @property
    def outputs(self) -> Outputs:
        """A logit for each label."""
        return Outputs(self.labels, logits_alone=True)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy summed over rows; with R-Drop the mean of two passes, and the distance between them.

        A class weight multiplies both for the rows of its label.
        """
        if self.r_drop is None:
            return RowTask.loss(self, model, batch)
        # Both passes as one: under DDP, gradients of a second pass would meet before it has run.
        twice = {name: value.repeat(2, 1) for name, value in batch.inputs.items()}
        first, second = model(**twice).logits.chunk(2)
        apart = self.criterion.weighed(divergence(first, second), batch.labels).sum()
        return (self.criterion(first, batch.labels) + self.criterion(second, batch.labels)) / 2 + self.r_drop * apart

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:  # noqa: ARG002
        """Log-probabilities [rows, labels], float64; of both orders of a pair, the probabilities' mean."""
        found = torch.log_softmax(scores.double() / self.temperature, dim=1)
        return found if split.row_offsets is None else mean_over_sequences(found.exp(), split).log()

    def _decided(self, found: Tensor) -> Tensor:
        return found.argmax(1) if self.threshold is None else (found[:, -1].exp() >= self.threshold).long()

    def row_metrics(self, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """The chosen metrics. ROC-AUC is not defined where a label has no rows."""
        return self.metrics_of(self._decided(found), found, split)

    def metrics_of(self, predicted: Tensor, found: Tensor | None, split: TokenizedSplit) -> RowMetrics:
        """The same of rows whose labels [rows] have been decided; without log-probabilities there is no ROC-AUC."""
        labels = row_labels(split)
        known = scores_of_labels(labels, predicted, len(self.labels))
        if found is not None:
            known["roc_auc"] = label_area(found, labels)
        return RowMetrics(split.num_rows, together(self.metrics, known), right=labels == predicted)

    def detail(self, found: Tensor, split: TokenizedSplit) -> Breakdown:
        """Each label's scores, and the confusion matrix."""
        confusion = confusion_matrix(row_labels(split), self._decided(found), len(self.labels))
        return Breakdown(class_scores(confusion).rows(self.labels), cast("list[list[int]]", confusion.tolist()))

    def answers(self, found: Tensor, split: TokenizedSplit, rows: Iterable[Fields]) -> Iterator[Fields]:  # noqa: ARG002
        """The label, and its probability."""
        decided = self._decided(found)
        probabilities = cast("list[float]", found.exp().gather(1, decided[:, None])[:, 0].tolist())
        for number, probability in zip(cast("list[int]", decided.tolist()), probabilities, strict=True):
            yield {"label": self.labels[number], "probability": round(probability, 6)}

    def calibrated(self, calibration: Calibration) -> Classification:
        """The task with this temperature and, of two labels, this threshold."""
        threshold = calibration.thresholds.get(self.labels[-1]) if len(self.labels) == 2 else None
        return replace(self, temperature=calibration.temperature, threshold=threshold)

    def log_loss(self, found: Tensor, split: TokenizedSplit) -> float:
        """The mean surprise at the rows' labels, in nats."""
        return -float(found.gather(1, row_labels(split)[:, None]).mean())

    def answers_given(self, found: Tensor, split: TokenizedSplit) -> Answers:
        """Of two labels, whether a row has the last one; of more, whether it has the likeliest."""
        if len(self.labels) == 2:
            return Answers(found[:, -1].exp(), row_labels(split) == 1)
        best = found.max(1)
        return Answers(best.values.exp(), best.indices == row_labels(split))

    def questions(self, found: Tensor, split: TokenizedSplit) -> Questions:
        """Whether each row has the last of two labels."""
        return Questions(self.labels[-1:], found[:, -1:].exp(), row_labels(split)[:, None] == 1)

    def check_has_threshold(self) -> None:
        """Make sure that there is a threshold to tune.

        Raises:
            UsageError: there are more than two labels.
        """
        if len(self.labels) != 2:
            what = f"of {len(self.labels)} labels a row has the likeliest, so there is no threshold to tune"
            raise UsageError(what, hint="--tune-threshold is for two labels, or multi_label = true")


def scores_of_labels(gold: Tensor, predicted: Tensor, num_labels: int) -> dict[str, Score]:
    """The metrics of numbers of labels [rows], by name; `f1` is that of the last label."""
    confusion = partial(weighed_confusion, gold, predicted, num_labels)
    return {
        "accuracy": lambda weights: accuracy(confusion(weights)),
        "f1": lambda weights: class_scores(confusion(weights)).f1[:, -1],
        "f1_macro": lambda weights: class_scores(confusion(weights)).f1.mean(1),
        "f1_micro": lambda weights: accuracy(confusion(weights)),  # equal when every row has exactly one label
        "mcc": lambda weights: matthews(confusion(weights)),
    }


def build_classification(section: ClassificationTask, facts: LabelFacts, evaluate: EvaluateSection) -> Classification:
    """The task for these labels, with the metrics that the recipe chose or those that fit.

    Raises:
        RecipeError: a metric for two labels was chosen, and there are more; or a weight is of no label.
    """
    is_binary = len(facts.labels) == 2
    fitting = tuple(name for name in METRICS["classification"] if name != "f1_micro" and (is_binary or name != "f1"))
    chosen = fitting if evaluate.metrics == "auto" else evaluate.metrics
    if not is_binary and "f1" in (*chosen, evaluate.best):
        what = f"`f1` is of two labels, and the data has {len(facts.labels)}"
        key = ("evaluate", "metrics" if "f1" in chosen else "best")
        raise RecipeError(what, hint="use f1_macro or f1_micro", key=key)
    return Classification(
        labels=facts.labels,
        metrics=chosen if evaluate.best in ("loss", "auto", *chosen) else (*chosen, evaluate.best),
        criterion=LabelLoss(
            weights=class_weights(section.class_weights, facts.labels),
            smoothing=section.label_smoothing,
            focal_gamma=None if section.focal_gamma == "off" else section.focal_gamma,
            own=item_loss(section.loss),
        ),
        r_drop=None if section.r_drop == "off" else section.r_drop,
    )


def class_weights(given: ClassWeights, labels: tuple[str, ...]) -> tuple[float, ...] | None:
    """What multiplies the loss of each label's items; None where nothing does.

    Raises:
        RecipeError: there is a weight for a label that there isn't.
    """
    assert given != "balanced"  # `balanced` has made numbers of it
    return None if given == "off" else values_by_label(given, labels, default=1.0, key="class_weights")


def balanced(section: ClassificationTask, label_counts: dict[str, int]) -> ClassificationTask:
    """The section with "balanced" class weights as numbers: rows / (labels * the label's rows), as scikit-learn's."""
    if section.class_weights != "balanced":
        return section
    rows = sum(label_counts.values())
    weights = {label: rows / (len(label_counts) * max(1, count)) for label, count in label_counts.items()}
    return section.model_copy(update={"class_weights": weights})
