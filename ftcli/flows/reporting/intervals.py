"""What a report scores anew from predictions, so that each score has its interval."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from ftcli.runtime.activity import finish
from ftcli.tasks.entities import EntityCounts, entity_metrics
from ftcli.tasks.intervals import RESAMPLES, Interval, bootstrap
from ftcli.tasks.metrics import (
    RowMetrics,
    Score,
    accuracy,
    class_scores,
    label_scores,
    matthews,
    mean,
    ratio,
    together,
    weighed_confusion,
)
from ftcli.tasks.ranks import Ordered, Pearson, Spearman

MOST_DRAWS = 20_000_000
"""Rows times resamples; of more than ten thousand rows, fewer resamples are drawn than by `ftcli eval`."""
LEAST_RESAMPLES = 200


def intervals(metrics: RowMetrics) -> dict[str, Interval]:
    """Each score's interval."""
    resamples = min(RESAMPLES, max(LEAST_RESAMPLES, MOST_DRAWS // metrics.num_rows))
    return finish(bootstrap(metrics, resamples=resamples))


def of_labels(gold: Tensor, predicted: Tensor, num_labels: int) -> RowMetrics:
    """Scores of numbers of labels [rows]."""
    confusion = partial(weighed_confusion, gold, predicted, num_labels)
    known: dict[str, Score] = {
        "accuracy": lambda weights: accuracy(confusion(weights)),
        "f1_macro": lambda weights: class_scores(confusion(weights)).f1.mean(1),
        "mcc": lambda weights: matthews(confusion(weights)),
    }
    if num_labels == 2:
        known["f1"] = lambda weights: class_scores(confusion(weights)).f1[:, -1]
    return RowMetrics(len(gold), together(known, known))


def of_label_sets(gold: Tensor, decided: Tensor) -> RowMetrics:
    """Scores of sets of labels, bool [rows, labels]."""
    right, both = (gold & decided).sum(1).double(), gold.sum(1).double() + decided.sum(1)
    known: dict[str, Score] = {
        "f1_micro": lambda weights: ratio(2 * right @ weights, both @ weights),
        "f1_macro": lambda weights: label_scores(gold, decided, weights).f1.mean(1),
        "exact_match": partial(mean, (gold == decided).all(1)),
    }
    return RowMetrics(len(gold), together(known, known))


def of_numbers(gold: Tensor, predicted: Tensor) -> RowMetrics:
    """Scores of numbers [rows]."""
    known: dict[str, Score] = {
        "pearson": Pearson(predicted, gold),
        "spearman": Spearman(Ordered(predicted), Ordered(gold)),
        "mse": partial(mean, (predicted - gold) ** 2),
        "mae": partial(mean, (predicted - gold).abs()),
    }
    return RowMetrics(len(gold), together(known, known))


def of_entities(counts: EntityCounts, num_sentences: int) -> RowMetrics:
    """Scores of the entities of sentences."""
    return RowMetrics(num_sentences, partial(entity_metrics, counts.tables()))
