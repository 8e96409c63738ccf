"""One label for each row, of a text or of a pair of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import RecipeError
from ftcli.spec.sections import EvaluateSection, MetricName
from ftcli.tasks.base import Batch, Inference
from ftcli.tasks.metrics import accuracy, class_scores, confusion_matrix, matthews, mean_roc_auc


@dataclass(frozen=True, slots=True)
class Classification:
    """Softmax cross-entropy over labels; an item is a row. With two labels, the last one is the positive."""

    labels: tuple[str, ...]
    metrics: tuple[MetricName, ...]

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> int:  # noqa: ARG002 - the task's shape
        """Every row is an item."""
        return len(rows)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Cross-entropy summed over rows."""
        return _summed_loss(model(**batch.inputs).logits, batch.labels)

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """Logits [rows, labels] and, if asked for, the summed cross-entropy."""
        logits = model(**batch.inputs).logits
        return Inference(_at_least_single(logits), _summed_loss(logits, batch.labels) if with_loss else None)

    def probabilities(self, scores: Tensor) -> Tensor:
        """Softmax of the logits."""
        return torch.softmax(scores.double(), dim=1)

    def measure(self, scores: Tensor, labels: Tensor) -> dict[str, float]:
        """The chosen metrics. ROC-AUC is left out where a label has no rows, for it is not defined there."""
        confusion = confusion_matrix(labels, scores.argmax(1), len(self.labels))
        f1 = class_scores(confusion).f1
        values: dict[MetricName, float | None] = {
            "accuracy": accuracy(confusion),
            "f1": float(f1[-1]),
            "f1_macro": float(f1.mean()),
            "f1_micro": accuracy(confusion),  # equal when every row has exactly one label
            "mcc": matthews(confusion),
            "roc_auc": mean_roc_auc(scores, labels) if "roc_auc" in self.metrics else None,
        }
        return {name: value for name in self.metrics if (value := values[name]) is not None}


def build_classification(labels: tuple[str, ...], section: EvaluateSection) -> Classification:
    """The task for these labels, with the metrics that the recipe chose or those that fit.

    Raises:
        RecipeError: a metric for two labels was chosen, and there are more.
    """
    is_binary = len(labels) == 2
    fitting: tuple[MetricName, ...] = (
        ("accuracy", "f1", "f1_macro", "mcc", "roc_auc") if is_binary else ("accuracy", "f1_macro", "mcc", "roc_auc")
    )
    chosen = fitting if section.metrics == "auto" else section.metrics
    key: Literal["metrics", "best"] = "metrics" if "f1" in chosen else "best"
    if not is_binary and ("f1" in chosen or section.best == "f1"):
        what = f"`f1` is of two labels, and the data has {len(labels)}"
        raise RecipeError(what, hint="use f1_macro or f1_micro", key=("evaluate", key))
    if section.best != "loss" and section.best not in chosen:
        chosen = (*chosen, section.best)
    return Classification(labels, chosen)


def _at_least_single(logits: Tensor) -> Tensor:
    return logits if logits.dtype is torch.float64 else logits.float()


def _summed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(_at_least_single(logits), labels, reduction="sum")
