"""From a recipe's [task] and the data's labels to the task."""

from __future__ import annotations

from typing import assert_never

from ftcli.data.targets import LabelFacts
from ftcli.spec.choices import ClassificationTask, RegressionTask, TaggingTask, TaskChoice
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Task
from ftcli.tasks.classification import balanced, build_classification
from ftcli.tasks.multilabel import build_multi_label
from ftcli.tasks.regression import build_regression
from ftcli.tasks.tagging import build_tagging


def build_task(section: TaskChoice, facts: LabelFacts, evaluate: EvaluateSection) -> Task:
    """The task that a recipe asks for, on these labels.

    Raises:
        RecipeError: the recipe says something of labels that there aren't, or names a metric that doesn't fit them.
    """
    match section:
        case ClassificationTask():
            build = build_multi_label if section.multi_label else build_classification
            return build(section, facts, evaluate)
        case RegressionTask():
            return build_regression(section, facts, evaluate)
        case TaggingTask():
            return build_tagging(section, facts, evaluate)
        case _:
            assert_never(section)


def settled(section: TaskChoice, label_counts: dict[str, int]) -> TaskChoice:
    """The section with everything that is left to the training data put into numbers."""
    return balanced(section, label_counts) if isinstance(section, ClassificationTask) else section
