"""McNemar's test: whether two models that answered the same rows differ in how often they are right."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class McNemar:
    """Rows that only one of two models has right, and how likely counts as uneven are if both were equally good."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: Tensor, second: Tensor) -> McNemar:
    """The exact test, two-sided, from which rows [rows] each of the models has right, bool."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    fewer, both = min(only_first, only_second), only_first + only_second
    return McNemar(only_first, only_second, min(1.0, 2 * _at_most(fewer, both)))


def _at_most(count: int, tosses: int) -> float:
    """How likely a fair coin shows heads at most `count` times."""
    heads = torch.arange(count + 1, dtype=torch.float64)
    whole = torch.lgamma(torch.tensor(tosses + 1.0, dtype=torch.float64))
    ways = whole - torch.lgamma(heads + 1) - torch.lgamma(tosses - heads + 1)
    return float(torch.logsumexp(ways - tosses * log(2), dim=0).exp())
