"""Tasks of the user's own, and tasks with metrics of the user's own beside those they have."""

from __future__ import annotations

from typing import Any, Protocol, cast

from torch import Tensor

from ftcli.data.tokens import TokenizedSplit
from ftcli.errors import RecipeError
from ftcli.runtime.calling import failing_as
from ftcli.runtime.code import find_factory
from ftcli.spec.choices import TaskChoice, card_task
from ftcli.spec.metrics import METRICS
from ftcli.spec.sections import EvaluateSection
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
            RecipeError: the user's code fails, or gives something else than numbers by name.
        """
        gold = row_labels(split) if split.positions is None else split.labels
        with failing_as(self._address, key=_KEY):
            more = cast("object", self._metric(found, gold))
        if not isinstance(more, dict):
            what = f"`{self._address}` gives {type(more).__name__}, not metrics by name"
            raise RecipeError(what, hint='return a dict, such as {"recall": 0.5}', key=_KEY)
        numbers = {str(name): self._number(name, value) for name, value in cast("dict[Any, Any]", more).items()}
        return {**self._task.measure(found, split), **numbers}

    def _number(self, name: Any, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError):
            what = f"`{self._address}` gives {type(value).__name__} for `{name}`, not a number"
            raise RecipeError(what, key=_KEY) from None


def with_metric(task: Task, address: str) -> Task:
    """A task that also gives the metrics of `module:name`.

    Raises:
        RecipeError: there is no such code.
    """
    return cast("Task", _Measured(task, cast("Metric", find_factory(address, key=_KEY)), address))


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
