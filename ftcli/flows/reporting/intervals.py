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
from ftcli.tasks.ranks import MeanRocAuc, RocAuc
from ftcli.tasks.regression import scores_of_numbers

MOST_DRAWS = 20_000_000
"""Rows times resamples; of more than ten thousand rows, fewer resamples are drawn than by `ftcli eval`."""
LEAST_RESAMPLES = 200


def intervals(metrics: RowMetrics) -> dict[str, Interval]:
    """Each score's interval."""
    resamples = min(RESAMPLES, max(LEAST_RESAMPLES, MOST_DRAWS // metrics.num_rows))
    return finish(bootstrap(metrics, resamples=resamples))


def of_labels(gold: Tensor, predicted: Tensor, probability: Tensor, num_labels: int) -> RowMetrics:
    """Scores of numbers of labels [rows]; of two labels, `probability` is that of the last."""
    known = scores_of_labels(gold, predicted, num_labels)
    if num_labels == 2:
        known["roc_auc"] = RocAuc(probability, gold == 1)
    names = ("accuracy", "f1_macro", "mcc", *(("f1", "roc_auc") if num_labels == 2 else ()))
    return RowMetrics(len(gold), together(names, known))


def of_label_sets(gold: Tensor, decided: Tensor, probabilities: Tensor) -> RowMetrics:
    """Scores of sets of labels, bool [rows, labels], that were given by probabilities of the same shape."""
    known = {**scores_of_sets(gold, decided), "roc_auc": MeanRocAuc(probabilities, gold)}
    return RowMetrics(len(gold), together(known, known))


def of_numbers(gold: Tensor, predicted: Tensor) -> RowMetrics:
    """Scores of numbers [rows]."""
    known = scores_of_numbers(gold, predicted)
    return RowMetrics(len(gold), together(known, known))


def of_entities(counts: EntityCounts, num_sentences: int) -> RowMetrics:
    """Scores of the entities of sentences."""
    return RowMetrics(num_sentences, partial(entity_metrics, counts.tables()))
