"""Error bars: what a score would have been with other rows of the same kind (Efron's bootstrap, percentile intervals).

Rows are drawn with replacement, as many as there are, again and again; a sentence is drawn with all of its words. What
the middle 95 % of these resamples score is the interval. The draws follow from a seed, so that a result is the same
whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ftcli.runtime.activity import Activity, Working
from ftcli.tasks.metrics import RowMetrics

LEVEL = 0.95
RESAMPLES = 2000
MOST_SLOW_RESAMPLES = 500
"""Where every resample calls code that measures one at a time."""
SEED = 0
_WEIGHTS_AT_ONCE = 200_000
"""What a processor's cache holds; several times as fast as ten times as many."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the middle 95 % of the resamples lie."""

    low: float
    high: float


def bootstrap(metrics: RowMetrics, *, resamples: int = RESAMPLES, seed: int = SEED) -> Working[dict[str, Interval]]:
    """Each metric's interval.

    There is none for a metric that every resample gives the same, such as an accuracy of 1: rows that are all alike do
    not tell how much others would differ. Resamples where a metric is not defined are left out, and so is its interval
    where they are more than half.
    """
    count = num_resamples(metrics, resamples)
    parts: list[dict[str, Tensor]] = []
    done = 0
    for weights in _draws(metrics.num_rows, count, seed):
        parts.append(metrics.measure(weights))
        done += weights.shape[1]
        yield Activity("resample", done, count, "resamples")
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if parts else {}
    return {name: interval for name, values in found.items() if (interval := _middle(values)) is not None}


def num_resamples(metrics: RowMetrics, wanted: int) -> int:
    """How many resamples are drawn where so many are wanted."""
    return wanted if metrics.is_vectorised else min(wanted, MOST_SLOW_RESAMPLES)


def difference(first: RowMetrics, second: RowMetrics) -> RowMetrics:
    """What the second has more than the first on the same rows, of the metrics that both have."""

    def measure(weights: Tensor) -> dict[str, Tensor]:
        before, after = first.measure(weights), second.measure(weights)
        return {name: after[name] - value for name, value in before.items() if name in after}

    both = first.is_vectorised and second.is_vectorised
    return replace(first, measure=measure, right=None, is_vectorised=both)


def _draws(num_rows: int, resamples: int, seed: int) -> Iterator[Tensor]:
    """Weights [rows, cases] of some resamples at a time: how often each has drawn each row."""
    generator = torch.Generator().manual_seed(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // num_rows)
    for start in range(0, resamples, at_once):
        cases = min(at_once, resamples - start)
        drawn = torch.randint(num_rows, (num_rows, cases), generator=generator).mul_(cases).add_(torch.arange(cases))
        yield torch.bincount(drawn.view(-1), minlength=num_rows * cases).view(num_rows, cases).double()


def _middle(values: Tensor) -> Interval | None:
    known = values[~values.isnan()]
    if 2 * len(known) <= len(values) or bool((known == known[0]).all()):
        return None
    outside = (1 - LEVEL) / 2
    low, high = torch.quantile(known, torch.tensor([outside, 1 - outside], dtype=known.dtype))
    return Interval(float(low), float(high))
