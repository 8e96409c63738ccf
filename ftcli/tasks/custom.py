"""Tasks of the user's own, and tasks with metrics of the user's own beside those they have."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import RecipeError
from ftcli.runtime.calling import failing_as
from ftcli.runtime.code import find_factory
from ftcli.spec.choices import TaskChoice, card_task
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Resampling, Task, row_labels
from ftcli.tasks.metrics import RowMetrics

_KEY = ("evaluate", "factory")


class Metric(Protocol):
    """What `evaluate.factory` names: further metrics, by name."""

    def __call__(self, found: Tensor, gold: Tensor) -> dict[str, float]:
        """Metrics over a whole split.

        Args:
            found: What the task concludes: log-probabilities [rows, labels] (classification), probabilities
                [rows, labels] (multi-label), numbers [rows] (regression), tags [words] (tagging).
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

    @property
    def inner(self) -> Task:
        """The task alone."""
        return self._task

    def around(self, task: Task) -> Task:
        """The same metric beside those of another task."""
        return cast("Task", _Measured(task, self._metric, self._address))

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The task's own metrics, and the user's.

        Raises:
            RecipeError: the user's code fails, or gives something else than numbers by name.
        """
        return {**self._task.measure(found, split), **self._own(found, _gold(split))}

    def row_metrics(self, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """The same over resamples: the user's code is called for each of them."""
        gold = _gold(split)
        inner = self._task.row_metrics(found, split) if isinstance(self._task, Resampling) else None

        def measure(weights: Tensor) -> dict[str, Tensor]:
            own = [self._own(found[items], gold[items]) for items in _resampled_items(split, weights)]
            names = dict.fromkeys(name for values in own for name in values)
            mine = {name: weights.new_tensor([values.get(name, nan) for values in own]) for name in names}
            return {**(inner.measure(weights) if inner else {}), **mine}

        return RowMetrics(split.num_rows, measure, right=inner.right if inner else None, is_vectorised=False)

    def _own(self, found: Tensor, gold: Tensor) -> dict[str, float]:
        with failing_as(self._address, key=_KEY):
            values = cast("object", self._metric(found, gold))
        if not isinstance(values, dict):
            what = f"`{self._address}` gives {type(values).__name__}, not metrics by name"
            raise RecipeError(what, hint='return a dict, such as {"recall": 0.5}', key=_KEY)
        return {str(name): self._number(name, value) for name, value in cast("dict[Any, Any]", values).items()}

    def _number(self, name: Any, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError):
            what = f"`{self._address}` gives {type(value).__name__} for `{name}`, not a number"
            raise RecipeError(what, key=_KEY) from None


def _gold(split: TokenizedSplit) -> Tensor:
    return row_labels(split) if split.positions is None else split.labels


def _resampled_items(split: TokenizedSplit, weights: Tensor) -> Iterator[Tensor]:
    """The places in `found` of each case's rows, or of their words."""
    for counts in weights.T.long():
        rows = torch.arange(split.num_rows).repeat_interleave(counts)
        yield rows if split.positions is None else split.items_of(split.sequences_of(rows))


def with_metric(task: Task, address: str) -> Task:
    """A task that also gives the metrics of `module:name`.

    Raises:
        RecipeError: there is no such code.
    """
    return cast("Task", _Measured(task, cast("Metric", find_factory(address, key=_KEY)), address))


def inner_task(task: Task) -> Task:
    """The task without metrics of the user's own."""
    return task.inner if isinstance(task, _Measured) else task


def with_inner(task: Task, inner: Task) -> Task:
    """Another task with the metrics of the user's own that `task` has, if it has any."""
    return task.around(inner) if isinstance(task, _Measured) else inner


def own_names_left_out(evaluate: EvaluateSection, section: TaskChoice) -> EvaluateSection:
    """The section without the names of metrics that the task itself does not know: they are the user's own."""
    known = {*METRICS.get(card_task(section), ()), "loss", "auto"}
    best = evaluate.best if evaluate.best in known else "auto"
    metrics = evaluate.metrics
    if metrics != "auto":
        metrics = tuple(name for name in metrics if name in known)
    return evaluate.model_copy(update={"best": best, "metrics": metrics})


def check_task(task: object, address: str) -> Task:
    """What the user's code has made, as a task.

    Raises:
        RecipeError: it lacks something that a task has.
    """
    wanted = [name for name in vars(Task) if not name.startswith("_")]
    if lacking := [name for name in wanted if not hasattr(task, name)]:
        what = f"`{address}` makes {type(task).__name__}, which lacks {', '.join(f'`{name}`' for name in lacking)}"
        hint = "a task has all that ftcli.tasks.base.Task names"
        raise RecipeError(what, hint=hint, key=("task", "factory"))
    return cast("Task", task)
