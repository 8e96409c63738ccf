"""Losses, summed over items: of one label, of any number of labels, and of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ftcli.errors import RecipeError
from ftcli.runtime.code import find_factory
from ftcli.tasks.base import at_least_single

_KEY = ("task", "loss")


class Criterion(Protocol):
    """What a model's outputs are held against their labels with."""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits [items, outputs] summed over items, in fp32 or better."""
        ...

    def each(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What is summed: the loss of each item, [items]."""
        ...

    def divisor(self, labels: Tensor) -> float:
        """What makes a mean of the summed loss of items with these labels: how many they are, or their weights' sum."""
        ...


class ItemLoss(Protocol):
    """What `task.loss` names: a loss of the user's own."""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each item, [items]; never a sum or a mean.

        Args:
            logits: The model's outputs [items, outputs], in fp32 or better.
            labels: Numbers of labels, or of words' tags [items]; 0 or 1 for each label [items, labels] (multi-label);
                numbers [items] (regression).
        """
        ...


def item_loss(address: str) -> ItemLoss | None:
    """The loss that `task.loss` names; None for "auto".

    Raises:
        RecipeError: there is no such code.
    """
    return None if address == "auto" else cast("ItemLoss", find_factory(address, key=_KEY))


def each_item(own: ItemLoss, logits: Tensor, labels: Tensor) -> Tensor:
    """The losses [items] that the user's own code gives.

    Raises:
        RecipeError: it gives something else.
    """
    found = cast("object", own(at_least_single(logits), labels))
    shape = list(found.shape) if isinstance(found, Tensor) else None
    if not isinstance(found, Tensor) or shape != [len(labels)]:
        given = f"shape {shape}" if shape is not None else type(found).__name__
        what = f"`task.loss` gives {given}, where one loss for each of {len(labels)} items is wanted"
        raise RecipeError(what, hint="leave out the sum or the mean: the step divides once, by all items", key=_KEY)
    return found


@dataclass(frozen=True, slots=True)
class LabelLoss:
    """Cross-entropy against numbered labels.

    `weights` [labels] multiply the loss of each row by its label's. `smoothing` gives that share of a row's label to
    all labels alike (Szegedy et al., 2016). `focal_gamma` multiplies by (1 - p) ** gamma, where p is the probability
    of the right label (Lin et al., 2017). `own` stands in for the cross-entropy; weights multiply it, too.
    """

    weights: tuple[float, ...] | None = None
    smoothing: float = 0.0
    focal_gamma: float | None = None
    own: ItemLoss | None = None

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits [items, labels] against label numbers [items], summed, in fp32 or better."""
        return self.each(logits, labels).sum()

    def each(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each item, [items]."""
        loss = self._cross_entropy(logits, labels) if self.own is None else each_item(self.own, logits, labels)
        return self.weighed(loss, labels)

    def weighed(self, losses: Tensor, labels: Tensor) -> Tensor:
        """Losses [items], each multiplied by the weight of its label."""
        return losses if self.weights is None else losses * self.weights_of(labels)

    def divisor(self, labels: Tensor) -> float:
        """How many items, or with weights the sum of theirs."""
        return len(labels) if self.weights is None else float(self.weights_of(labels).double().sum())

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_probabilities = torch.log_softmax(at_least_single(logits), dim=-1)
        right = log_probabilities.gather(-1, labels[:, None])[:, 0]
        loss = -right
        if self.smoothing:
            loss = (1 - self.smoothing) * loss - self.smoothing * log_probabilities.mean(-1)
        if self.focal_gamma is not None:
            # 1 - p as -expm1(log p), which is right also where p is nearly 1; the clamp keeps its gradient finite.
            loss = loss * (-torch.expm1(right)).clamp(min=math.ulp(1.0)) ** self.focal_gamma
        return loss

    def weights_of(self, labels: Tensor) -> Tensor:
        """Each item's weight [items]."""
        assert self.weights is not None
        return _weights_on(self.weights, labels.device, torch.float32)[labels]


@lru_cache(maxsize=16)
def _weights_on(weights: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(mode=False):  # what evaluation has made is used in training, too
        return torch.tensor(weights, device=device, dtype=dtype)


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """The symmetric Kullback-Leibler divergence of two lots of logits [items, labels], halved: [items]."""
    left, right = (torch.log_softmax(at_least_single(logits), dim=-1) for logits in (first, second))
    return ((left.exp() - right.exp()) * (left - right)).sum(-1) / 2


@dataclass(frozen=True, slots=True)
class BinaryLoss:
    """Binary cross-entropy against any number of labels, summed over labels; an item is a row.

    `weights` [labels] multiply each label's part; they are 1 on average, so that rows count as rows. `own` stands in
    for all that.
    """

    weights: tuple[float, ...] | None = None
    own: ItemLoss | None = None

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits [items, labels] against 0 and 1 [items, labels], summed, in fp32 or better."""
        return self.each(logits, labels).sum()

    def each(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each item, [items]."""
        if self.own is not None:
            return each_item(self.own, logits, labels)
        logits = at_least_single(logits)
        weights = None if self.weights is None else _weights_on(self.weights, logits.device, logits.dtype)
        return binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), weights, reduction="none").sum(1)

    def divisor(self, labels: Tensor) -> float:
        """How many items."""
        return len(labels)


@dataclass(frozen=True, slots=True)
class SquaredLoss:
    """The squared distance to a number; `own` stands in for it."""

    own: ItemLoss | None = None

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits [items, 1] against numbers [items], summed, in fp32 or better."""
        return self.each(logits, labels).sum()

    def each(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each item, [items]."""
        if self.own is not None:
            return each_item(self.own, logits, labels)
        numbers = at_least_single(logits)[:, 0]
        return mse_loss(numbers, labels.to(numbers.dtype), reduction="none")

    def divisor(self, labels: Tensor) -> float:
        """How many items."""
        return len(labels)
