"""A number for each row, of a text or of a pair of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from torch import Tensor, nn

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.encoding import Fields
from ftcli.spec.choices import RegressionTask
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import mean_over_sequences, row_labels
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.losses import SquaredLoss, item_loss
from ftcli.tasks.metrics import RowMetrics, Score, mean, together
from ftcli.tasks.ranks import Ordered, Pearson, Spearman
from ftcli.tasks.rowwise import RowTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression(RowTask):
    """Squared error. It concludes numbers [rows]."""

    criterion: SquaredLoss = field(default_factory=SquaredLoss)
    results: tuple[str, ...] = ("value",)

    @property
    def outputs(self) -> Outputs:
        """One number."""
        return Outputs((), problem="regression", logits_alone=True)

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:  # noqa: ARG002
        """Numbers [rows], float64."""
        return mean_over_sequences(scores.double(), split)[:, 0]

    def row_metrics(self, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """The chosen metrics; a correlation with something that is the same everywhere is not defined."""
        known = scores_of_numbers(row_labels(split).double(), found)
        return RowMetrics(split.num_rows, together(self.metrics, known))

    def detail(self, found: Tensor, split: TokenizedSplit) -> Breakdown:  # noqa: ARG002 - the task's shape
        """There are no labels to tell apart."""
        return Breakdown([])

    def answers(self, found: Tensor, split: TokenizedSplit, rows: Iterable[Fields]) -> Iterator[Fields]:  # noqa: ARG002
        """The number."""
        for value in cast("list[float]", found.tolist()):
            yield {"value": round(value, 6)}


def scores_of_numbers(gold: Tensor, found: Tensor) -> dict[str, Score]:
    """The metrics of numbers [rows], float64 each, by name."""
    return {
        "pearson": Pearson(found, gold),
        "spearman": Spearman(Ordered(found), Ordered(gold)),
        "mse": partial(mean, (found - gold) ** 2),
        "mae": partial(mean, (found - gold).abs()),
    }


def build_regression(section: RegressionTask, facts: LabelFacts, evaluate: EvaluateSection) -> Regression:  # noqa: ARG001
    """The task for this column of numbers."""
    metrics = METRICS["regression"] if evaluate.metrics == "auto" else evaluate.metrics
    return Regression(metrics=metrics, criterion=SquaredLoss(item_loss(section.loss)))
