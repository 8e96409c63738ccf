"""What a report scores anew from predictions, so that each score has its interval."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from ftcli.runtime.activity import finish
from ftcli.tasks.classification import scores_of_labels
from ftcli.tasks.entities import EntityCounts, entity_metrics
from ftcli.tasks.intervals import RESAMPLES, Interval, bootstrap
from ftcli.tasks.metrics import RowMetrics, together
from ftcli.tasks.multilabel import scores_of_sets
from ftcli.tasks.regression import scores_of_numbers

MOST_DRAWS = 20_000_000
"""Rows times resamples; of more than ten thousand rows, fewer resamples are drawn than by `ftcli eval`."""
LEAST_RESAMPLES = 200


def intervals(metrics: RowMetrics) -> dict[str, Interval]:
    """Each score's interval."""
    resamples = min(RESAMPLES, max(LEAST_RESAMPLES, MOST_DRAWS // metrics.num_rows))
    return finish(bootstrap(metrics, resamples=resamples))


def of_labels(gold: Tensor, predicted: Tensor, num_labels: int) -> RowMetrics:
    """Scores of numbers of labels [rows]."""
    names = ("accuracy", "f1_macro", "mcc", *(("f1",) if num_labels == 2 else ()))
    return RowMetrics(len(gold), together(names, scores_of_labels(gold, predicted, num_labels)))


def of_label_sets(gold: Tensor, decided: Tensor) -> RowMetrics:
    """Scores of sets of labels, bool [rows, labels]."""
    return RowMetrics(len(gold), together(("f1_micro", "f1_macro", "exact_match"), scores_of_sets(gold, decided)))


def of_numbers(gold: Tensor, predicted: Tensor) -> RowMetrics:
    """Scores of numbers [rows]."""
    known = scores_of_numbers(gold, predicted)
    return RowMetrics(len(gold), together(known, known))


def of_entities(counts: EntityCounts, num_sentences: int) -> RowMetrics:
    """Scores of the entities of sentences."""
    return RowMetrics(num_sentences, partial(entity_metrics, counts.tables()))
