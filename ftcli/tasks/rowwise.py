"""What tasks have in common whose items are whole rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from ftcli.data.tokens import TokenizedSplit
from ftcli.tasks.base import Batch, Inference, at_least_single
from ftcli.tasks.losses import Criterion
from ftcli.tasks.metrics import RowMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTask(ABC):
    """An item is a row, or each order of a symmetric pair; `metrics` names those that are measured."""

    metrics: tuple[str, ...]
    criterion: Criterion

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> float:
        """Every sequence is an item; where labels have weights, it counts by that of its label."""
        return self.criterion.divisor(split.labels[split.sequences_of(rows)])

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The criterion, summed over rows."""
        return self.criterion(model(**batch.inputs).logits, batch.labels)

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """Scores [sequences, outputs] and, if asked for, the criterion, summed and of each sequence."""
        logits = model(**batch.inputs).logits
        losses = self.criterion.each(logits, batch.labels) if with_loss else None
        return Inference(at_least_single(logits), None if losses is None else losses.sum(), losses)

    @abstractmethod
    def row_metrics(self, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """The metrics over a whole labelled split, and over resamples of it."""

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The chosen metrics; one that is not defined is left out."""
        return self.row_metrics(found, split).values()
