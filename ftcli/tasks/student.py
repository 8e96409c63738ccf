"""How sure a mean over a few runs is: Student's t interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from ftcli.tasks.intervals import LEVEL, Interval


def t_interval(values: Sequence[float]) -> Interval | None:
    """Where the mean lies of the values that all seeds would give, going by these.

    There is none of a single value, and none where all are the same: they do not tell how much others would differ.
    """
    if len(values) < 2 or not (spread := stdev(values)):
        return None
    middle = fmean(values)
    reach = t_quantile(1 - (1 - LEVEL) / 2, degrees=len(values) - 1) * spread / math.sqrt(len(values))
    return Interval(middle - reach, middle + reach)


def t_quantile(probability: float, *, degrees: int) -> float:
    """What Student's t with so many degrees of freedom stays below with a probability, which is at least one half."""
    low, high = 0.0, 1.0
    while _within(high, degrees) < 2 * probability - 1:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < 2 * probability - 1 else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """How probable it is that |T| is at most `t`: exact sums (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for number in range(1 + odd, degrees - 2, 2):
        term *= square * number / (number + 1)
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
