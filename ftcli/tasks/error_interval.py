"""How sure an expected calibration error is, which no resample tells as it is.

Chance alone makes one: of 200 answers whose probabilities hold to the letter, it is about 0.07, and of a resample of
them 0.1. So the interval is the resamples' reflected at the error that was found, which takes off what they add, and it
begins at 0 where answers that are so just as often as they say would come to as much (Bröcker and Smith, 2007).
Of simulated classifiers it then holds the true error in 86 to 96 of 100 cases; the resamples' own middle in 0 to 93.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ftcli.runtime.activity import Working
from ftcli.tasks.intervals import LEVEL, SEED, Interval, bootstrap
from ftcli.tasks.metrics import RowMetrics
from ftcli.tasks.reliability import NUM_BINS, Answers, place_of

_CASES = 500
_DRAWS_AT_ONCE = 200_000


def error_interval(answers: Answers, num_rows: int, *, resamples: int) -> Working[Interval | None]:
    """Where the expected calibration error lies; every row has equally many answers, which are drawn together.

    There is none where all resamples give the same.
    """
    name = "ece"
    metrics = RowMetrics(num_rows, lambda weights: {name: _errors(answers, weights)})
    found = (yield from bootstrap(metrics, resamples=resamples)).get(name)
    if found is None:
        return None
    value = metrics.values()[name]
    low = 0.0 if value <= _by_chance(answers) else max(0.0, 2 * value - found.high)
    return Interval(low, max(0.0, 2 * value - found.low))


def _errors(answers: Answers, weights: Tensor) -> Tensor:
    """The error in each case, [cases], of weights [rows, cases]."""
    num_rows = len(weights)
    each = len(answers.probability) // num_rows
    place = torch.arange(num_rows).repeat_interleave(each) * NUM_BINS + place_of(answers.probability)
    apart = (answers.probability - answers.is_so.double()).double()
    gaps = torch.zeros(num_rows * NUM_BINS, dtype=torch.float64).index_add_(0, place, apart).view(num_rows, NUM_BINS)
    return (gaps.T @ weights).abs().sum(0) / (each * weights.sum(0))


def _by_chance(answers: Answers) -> float:
    """What 95 of 100 draws stay below in which each answer is so as often as it says."""
    generator, place = torch.Generator().manual_seed(SEED), place_of(answers.probability)
    probability = answers.probability.double()[:, None]
    found: list[Tensor] = []
    at_once = max(1, _DRAWS_AT_ONCE // len(place))
    for start in range(0, _CASES, at_once):
        cases = min(at_once, _CASES - start)
        drawn = torch.rand(len(place), cases, generator=generator, dtype=torch.float64)
        gaps = torch.zeros(NUM_BINS, cases, dtype=torch.float64)
        gaps.index_add_(0, place, probability - (drawn < probability).double())
        found.append(gaps.abs().sum(0) / len(place))
    return float(torch.quantile(torch.cat(found), LEVEL))
