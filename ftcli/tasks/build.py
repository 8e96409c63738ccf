"""From a recipe's [task] and the data's labels to the task."""

from __future__ import annotations

from typing import Any, Protocol, assert_never

from ftcli.data.targets import LabelFacts
from ftcli.runtime.calling import call
from ftcli.spec.choices import ClassificationTask, CustomTask, RegressionTask, TaggingTask, TaskChoice
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.classification import balanced, build_classification
from ftcli.tasks.custom import check_task, own_names_left_out, with_metric
from ftcli.tasks.multilabel import build_multi_label
from ftcli.tasks.regression import build_regression
from ftcli.tasks.tagging import build_tagging


class TaskFactory(Protocol):
    """What `task.factory` names: makes a task for the data's labels. `options` are the recipe's `task.options`."""

    def __call__(self, facts: LabelFacts, evaluate: EvaluateSection, **options: Any) -> Task:
        """The task."""
        ...


def build_task(section: TaskChoice, facts: LabelFacts, evaluate: EvaluateSection) -> Task:
    """The task that a recipe asks for, on these labels, with the metrics that it asks for.

    Raises:
        RecipeError: the recipe says something of labels that there aren't, names a metric that doesn't fit them, or
            code that can't be found.
    """
    if evaluate.factory == "off":
        return _build(section, facts, evaluate)
    return with_metric(_build(section, facts, own_names_left_out(evaluate, section)), evaluate.factory)


def _build(section: TaskChoice, facts: LabelFacts, evaluate: EvaluateSection) -> Task:
    match section:
        case ClassificationTask():
            build = build_multi_label if section.multi_label else build_classification
            return build(section, facts, evaluate)
        case RegressionTask():
            return build_regression(section, facts, evaluate)
        case TaggingTask():
            return build_tagging(section, facts, evaluate)
        case CustomTask():
            key, options_key = ("task", "factory"), ("task", "options")
            task = call(section.factory, facts, evaluate, key=key, options_key=options_key, options=section.options)
            return check_task(task, section.factory)
        case _:
            assert_never(section)


def settled(section: TaskChoice, label_counts: dict[str, int]) -> TaskChoice:
    """The section with everything that is left to the training data put into numbers."""
    return balanced(section, label_counts) if isinstance(section, ClassificationTask) else section
