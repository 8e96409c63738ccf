"""Labelled rows with what a model says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ftcli.data.tokens import TokenizedSplit
from ftcli.flows.labelled import LabelledRows
from ftcli.flows.predictor import Predictor
from ftcli.runtime.activity import Working
from ftcli.tasks.base import Resampling, Task
from ftcli.tasks.metrics import RowMetrics, joined
from ftcli.train.evaluate import Scores


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows as a model reads them, and how it scores them."""

    name: str
    split: TokenizedSplit
    scores: Scores

    @property
    def found(self) -> Tensor:
        """What the task concludes from the scores."""
        return self.scores.found

    def concluded_by(self, predictor: Predictor) -> Sample:
        """The same scores, from which another task concludes."""
        found = predictor.task.conclude(predictor.model, self.scores.scores, self.split)
        return replace(self, scores=replace(self.scores, found=found))

    def metrics_by(self, predictor: Predictor) -> RowMetrics | None:
        """The metrics of the rows and of resamples of them; None where a custom task can't tell the latter."""
        task = predictor.task
        return task.row_metrics(self.found, self.split) if isinstance(task, Resampling) else None

    def with_loss(self, metrics: RowMetrics, task: Task) -> RowMetrics:
        """The metrics, and the loss, where the task tells that of each row."""
        losses, num_rows = self.scores.losses, self.split.num_rows
        if losses is None:
            return metrics
        each = (task.count_items(self.split, torch.tensor([row])) for row in range(num_rows))
        counts = torch.tensor(list(each), dtype=torch.float64)
        return joined(metrics, RowMetrics(num_rows, lambda weights: {"loss": losses @ weights / (counts @ weights)}))


def score_sample(predictor: Predictor, labelled: LabelledRows) -> Working[Sample]:
    """Read and score labelled rows.

    Raises:
        DataError: there are none, or they can't be used.
    """
    split = yield from predictor.read(labelled.rows, total=labelled.total)
    scores = yield from predictor.score(split, name=labelled.name)
    return Sample(labelled.name, split, scores)
