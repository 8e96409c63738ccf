"""The probabilities behind a prediction, computed only where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from torch import Tensor, nn

from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.encoding import Fields
from ftcli.spec.probabilities import PROBABILITIES, TOP, Probabilities
from ftcli.tasks.base import Task
from ftcli.tasks.classification import Classification
from ftcli.tasks.custom import inner_task
from ftcli.tasks.multilabel import MultiLabel
from ftcli.tasks.tagging import Tagging


def probabilities_of(
    asked: Probabilities, task: Task, model: nn.Module, split: TokenizedSplit, *, scores: Tensor, found: Tensor
) -> Iterator[Fields]:
    """The fields that are asked for, row by row.

    Args:
        asked: What is asked for; `asked.check` has approved of the task.
        task: What the scores mean.
        model: What gave the scores.
        split: The rows.
        scores: What the model says of them, [items, outputs].
        found: What the task concludes from that.
    """
    match inner_task(task):
        case Classification() as single:
            return _of_labels(asked, single.labels, found.exp())
        case MultiLabel() as several:
            return _of_labels(asked, several.labels, found)
        case Tagging() as tagging:
            return ({PROBABILITIES: each} for each in tagging.certainties(model, scores, found, split))
        case other:
            raise TypeError(f"{type(other).__name__} has no probabilities")


def _of_labels(asked: Probabilities, labels: Sequence[str], probabilities: Tensor) -> Iterator[Fields]:
    """Those of rows [rows, labels]."""
    rows = cast("list[list[float]]", probabilities.tolist())
    best = probabilities.sort(dim=1, descending=True, stable=True).indices[:, : asked.top_k]
    for values, places in zip(rows, cast("list[list[int]]", best.tolist()), strict=True):
        rounded = [round(value, 6) for value in values]
        every = {PROBABILITIES: dict(zip(labels, rounded, strict=True))}
        top = {TOP: [{"label": labels[place], "probability": rounded[place]} for place in places]}
        yield {**(every if asked.every else {}), **(top if asked.top_k is not None else {})}
