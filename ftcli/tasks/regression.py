"""A number for each row, of a text or of a pair of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.encoding import Fields
from ftcli.spec.choices import RegressionTask
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch, Inference, at_least_single, mean_over_sequences, row_labels
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.losses import ItemLoss, each_item, item_loss
from ftcli.tasks.metrics import pearson, spearman


@dataclass(frozen=True, slots=True)
class Regression:
    """Squared error; an item is a row, or each order of a symmetric pair. It concludes numbers [rows]."""

    metrics: tuple[str, ...]
    own: ItemLoss | None = None
    results: tuple[str, ...] = ("value",)

    @property
    def outputs(self) -> Outputs:
        """One number."""
        return Outputs((), problem="regression")

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> float:
        """Every sequence is an item."""
        return len(split.sequences_of(rows))

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Squared errors summed over rows."""
        return self._summed(model(**batch.inputs).logits, batch.labels)

    def _summed(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.own is not None:
            return each_item(self.own, logits, labels).sum()
        numbers = at_least_single(logits)[:, 0]
        return mse_loss(numbers, labels.to(numbers.dtype), reduction="sum")

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """Numbers [sequences, 1] and, if asked for, the summed loss."""
        logits = model(**batch.inputs).logits
        return Inference(at_least_single(logits), self._summed(logits, batch.labels) if with_loss else None)

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:  # noqa: ARG002
        """Numbers [rows], float64."""
        return mean_over_sequences(scores.double(), split)[:, 0]

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The chosen metrics; a correlation with something that is the same everywhere is left out."""
        gold = row_labels(split).double()
        values: dict[str, float | None] = {
            "pearson": pearson(found, gold),
            "spearman": spearman(found, gold),
            "mse": float(((found - gold) ** 2).mean()),
            "mae": float((found - gold).abs().mean()),
        }
        return {name: value for name in self.metrics if (value := values[name]) is not None}

    def detail(self, found: Tensor, split: TokenizedSplit) -> Breakdown:  # noqa: ARG002 - the task's shape
        """There are no labels to tell apart."""
        return Breakdown([])

    def answers(self, found: Tensor, split: TokenizedSplit, rows: Iterable[Fields]) -> Iterator[Fields]:  # noqa: ARG002
        """The number."""
        for value in cast("list[float]", found.tolist()):
            yield {"value": round(value, 6)}


def build_regression(section: RegressionTask, facts: LabelFacts, evaluate: EvaluateSection) -> Regression:  # noqa: ARG001
    """The task for this column of numbers."""
    metrics = METRICS["regression"] if evaluate.metrics == "auto" else evaluate.metrics
    return Regression(metrics, item_loss(section.loss))
