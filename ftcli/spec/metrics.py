"""The metrics that each task knows, by name; which one makes a checkpoint the best; and which are better when lower."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ftcli.spec.nearest import did_you_mean, nearest

METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "f1", "f1_macro", "f1_micro", "mcc", "roc_auc"),
    "multilabel": ("f1_micro", "f1_macro", "f1_samples", "exact_match", "roc_auc"),
    "regression": ("pearson", "spearman", "mse", "mae"),
    "tagging": (
        *("f1_strict", "precision_strict", "recall_strict"),
        *("f1_macro_strict", "precision_macro_strict", "recall_macro_strict"),
        *("f1_lenient", "precision_lenient", "recall_lenient"),
        *("f1_macro_lenient", "precision_macro_lenient", "recall_macro_lenient", "accuracy"),
    ),
}
DEFAULT_BEST = {"classification": "accuracy", "multilabel": "f1_micro", "regression": "pearson", "tagging": "f1_strict"}
SHARES = frozenset(
    name for names in METRICS.values() for name in names if name not in {"mcc", "pearson", "spearman", "mse", "mae"}
)
"""Metrics that are a part of a whole, so that differences can be told in points of a hundred."""
LOWER_IS_BETTER = frozenset({"loss", "mse", "mae"})


def better_values(said: str, metric: str) -> Literal["higher", "lower"]:
    """Which values of a metric are better: as the recipe says, or for "auto" as is known of the metric."""
    if said == "higher" or said == "lower":
        return said
    return "lower" if metric in LOWER_IS_BETTER else "higher"


def metric_meant(name: str, known: Iterable[str]) -> str:
    """The question to somebody who names a metric that there is not, with a space behind; empty if none is near."""
    known = tuple(known)
    bare = name.removeprefix("eval_")
    if bare != name and bare in known:
        return f"{did_you_mean(bare)} transformers puts `eval_` before it; "
    near = nearest(name, known)
    return f"{did_you_mean(near)} " if near else ""


def best_metric(named: str, task: str) -> str:
    """The metric that makes a checkpoint the best: the one that is named, or for "auto" the task's own."""
    return DEFAULT_BEST.get(task, "loss") if named == "auto" else named
