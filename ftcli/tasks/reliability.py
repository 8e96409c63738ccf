"""Whether probabilities are what they say: of the answers given with 80 %, are 80 % right?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ftcli.tasks.metrics import ratio

NUM_BINS = 10


@dataclass(frozen=True, slots=True)
class Answers:
    """Yes-or-no answers: the probability [answers] that each was given with, and whether it is so, bool [answers]."""

    probability: Tensor
    is_so: Tensor


@dataclass(frozen=True, slots=True)
class Questions:
    """What thresholds decide: labels, their probabilities, and whether rows have them, bool, [rows, labels] each."""

    labels: tuple[str, ...]
    probabilities: Tensor
    gold: Tensor


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers whose probability is from `low` to `high`: how many, their mean probability, and which share is so."""

    low: float
    high: float
    count: int
    probability: float
    share: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Expected calibration error: the mean distance of the bins' `probability` and `share`, weighed by their answers.

    Empty bins are left out.
    """

    ece: float
    bins: list[ReliabilityBin]


def place_of(probability: Tensor, *, num_bins: int = NUM_BINS) -> Tensor:
    """The bin of each answer, [answers]."""
    return (probability * num_bins).long().clamp(max=num_bins - 1)


def reliability(answers: Answers, *, num_bins: int = NUM_BINS) -> Reliability:
    """Answers in bins of equal width over probabilities from 0 to 1."""
    place = place_of(answers.probability, num_bins=num_bins)
    counts = torch.bincount(place, minlength=num_bins)
    sums = [
        torch.bincount(place, weights=values.double(), minlength=num_bins)
        for values in (answers.probability, answers.is_so)
    ]
    probability, share = (ratio(each, counts.double()) for each in sums)
    ece = float((counts * (probability - share).abs()).sum() / counts.sum().clamp(min=1))
    bins = [
        ReliabilityBin(n / num_bins, (n + 1) / num_bins, int(counts[n]), float(probability[n]), float(share[n]))
        for n in range(num_bins)
        if counts[n]
    ]
    return Reliability(ece, bins)
