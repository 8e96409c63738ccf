"""What a task is: the meaning of a batch. The loop, the plan and the checkpoints know no more of one than this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ftcli.data.tokens import TokenizedSplit


@dataclass(frozen=True, slots=True)
class Batch:
    """One micro-batch: padded inputs [rows, length], label numbers [rows], and what it counts for.

    `rows` are the row numbers [rows], on the host. `weight` is 0 for a dummy, which runs only so that every rank runs
    equally often.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    rows: Tensor
    weight: float = 1.0

    @property
    def num_slots(self) -> int:
        """Token slots, padding included."""
        return next(iter(self.inputs.values())).numel()

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; copies to a GPU overlap with what it is doing."""
        if device.type == "cpu":
            return self
        inputs = {name: value.pin_memory().to(device, non_blocking=True) for name, value in self.inputs.items()}
        labels = self.labels.pin_memory().to(device, non_blocking=True)
        return Batch(inputs, labels, self.rows, self.weight)


def collate(split: TokenizedSplit, rows: Tensor, *, pad_id: int, weight: float = 1.0) -> Batch:
    """A batch of the given rows, padded to the longest of them."""
    return Batch(split.gather(rows, pad_id=pad_id), split.labels[rows], rows, weight)


@dataclass(frozen=True, slots=True)
class Inference:
    """What a model says of a batch: scores [rows, labels] and, where rows have labels, the summed loss."""

    scores: Tensor
    loss: Tensor | None


class Task(Protocol):
    """The meaning of a batch. A loss is always a sum over items; the loop divides once, by all items of the step."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the model's outputs."""
        ...

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> int:
        """How many items the loss of these rows sums over; known on the host, before anything runs."""
        ...

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss summed over the batch's items, in fp32 or better; never a mean."""
        ...

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """Scores, and perhaps the summed loss, without gradients or dropout."""
        ...

    def probabilities(self, scores: Tensor) -> Tensor:
        """Scores [rows, labels] as probabilities."""
        ...

    def measure(self, scores: Tensor, labels: Tensor) -> dict[str, float]:
        """The task's metrics over whole data: scores [rows, labels] against label numbers [rows]."""
        ...
