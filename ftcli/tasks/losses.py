"""Losses of single labels, summed over rows: cross-entropy and what may be made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ftcli.tasks.base import at_least_single


@dataclass(frozen=True, slots=True)
class LabelLoss:
    """Cross-entropy against numbered labels.

    `weights` [labels] multiply the loss of each row by its label's. `smoothing` gives that share of a row's label to
    all labels alike (Szegedy et al., 2016). `focal_gamma` multiplies by (1 - p) ** gamma, where p is the probability
    of the right label (Lin et al., 2017).
    """

    weights: tuple[float, ...] | None = None
    smoothing: float = 0.0
    focal_gamma: float | None = None

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits [items, labels] against label numbers [items], summed, in fp32 or better."""
        log_probabilities = torch.log_softmax(at_least_single(logits), dim=-1)
        right = log_probabilities.gather(-1, labels[:, None])[:, 0]
        loss = -right
        if self.smoothing:
            loss = (1 - self.smoothing) * loss - self.smoothing * log_probabilities.mean(-1)
        if self.focal_gamma is not None:
            # 1 - p as -expm1(log p), which is right also where p is nearly 1; the clamp keeps its gradient finite.
            loss = loss * (-torch.expm1(right)).clamp(min=math.ulp(1.0)) ** self.focal_gamma
        return (loss if self.weights is None else loss * self.weights_of(labels)).sum()

    def weights_of(self, labels: Tensor) -> Tensor:
        """Each item's weight [items]."""
        assert self.weights is not None
        return torch.tensor(self.weights, device=labels.device)[labels]


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """The symmetric Kullback-Leibler divergence of two lots of logits [items, labels], halved and summed over items."""
    left, right = (torch.log_softmax(at_least_single(logits), dim=-1) for logits in (first, second))
    return ((left.exp() - right.exp()) * (left - right)).sum() / 2
