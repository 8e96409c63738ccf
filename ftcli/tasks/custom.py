"""A task with metrics of the user's own beside those it has."""

from __future__ import annotations

from typing import Any, Protocol, cast

from torch import Tensor

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import RecipeError
from ftcli.runtime.code import find_factory
from ftcli.tasks.base import Task, row_labels

_KEY = ("evaluate", "factory")


class Metric(Protocol):
    """What `evaluate.factory` names: further metrics, by name."""

    def __call__(self, found: Tensor, gold: Tensor) -> dict[str, float]:
        """Metrics over a whole split.

        Args:
            found: What the task concludes: log-probabilities [rows, labels] (classification), probabilities
                [rows, labels] (multi-label), numbers [rows] (regression), tags and probabilities [words, 2] (tagging).
            gold: The labels' numbers [rows] or [words], [rows, labels] where rows have any number of them.
        """
        ...


class _Measured:
    """A task whose `measure` gives more."""

    def __init__(self, task: Task, metric: Metric, address: str) -> None:
        self._task = task
        self._metric = metric
        self._address = address

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The task's own metrics, and the user's.

        Raises:
            RecipeError: the user's code gives something else than numbers by name.
        """
        gold = row_labels(split) if split.positions is None else split.labels
        more = cast("object", self._metric(found, gold))
        if not isinstance(more, dict):
            raise RecipeError(f"`{self._address}` gives {type(more).__name__}, not metrics by name", key=_KEY)
        numbers = {str(name): float(value) for name, value in cast("dict[Any, Any]", more).items()}
        return {**self._task.measure(found, split), **numbers}


def with_metric(task: Task, address: str) -> Task:
    """A task that also gives the metrics of `module:name`.

    Raises:
        RecipeError: there is no such code.
    """
    return cast("Task", _Measured(task, cast("Metric", find_factory(address, key=_KEY)), address))
