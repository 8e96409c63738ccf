"""What a task is: the meaning of a batch. The loop, the plan and the checkpoints know no more of one than this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ftcli.data.states import States
from ftcli.data.tokens import UNLABELLED, TokenizedSplit
from ftcli.modeling.outputs import Outputs
from ftcli.runtime.encoding import Fields
from ftcli.tasks.breakdown import Breakdown
from ftcli.tasks.metrics import RowMetrics


@dataclass(frozen=True, slots=True)
class Words:
    """Which tokens of a batch stand for words: padded [sequences, words].

    `positions` are tokens' places in their sequence, `mask` tells words from padding. `begins` and `finishes` tell the
    sequences [sequences] that hold the first and the last words of their row.
    """

    positions: Tensor
    mask: Tensor
    begins: Tensor
    finishes: Tensor

    def to(self, device: torch.device) -> Words:
        """The same on a device."""
        return Words(*(_moved(part, device) for part in (self.positions, self.mask, self.begins, self.finishes)))


@dataclass(frozen=True, slots=True)
class Batch:
    """One micro-batch: padded inputs [sequences, length], labels, and what it counts for.

    `labels` are [sequences] or [sequences, labels], or for words [sequences, words] with UNLABELLED for padding.
    `rows` are the row numbers [sequences], on the host. `weight` is 0 for a dummy, which runs only so that every rank
    runs equally often. `states` [sequences, length, size] are what the model starts from in place of its frozen prefix.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    rows: Tensor
    weight: float = 1.0
    words: Words | None = None
    states: Tensor | None = None

    @property
    def num_slots(self) -> int:
        """Token slots, padding included."""
        return next(iter(self.inputs.values())).numel()

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; copies to a GPU overlap with what it is doing."""
        if device.type == "cpu":
            return self
        inputs = {name: _moved(value, device) for name, value in self.inputs.items()}
        words = self.words.to(device) if self.words is not None else None
        states = _moved(self.states, device) if self.states is not None else None
        return replace(self, inputs=inputs, labels=_moved(self.labels, device), words=words, states=states)


def _moved(value: Tensor, device: torch.device) -> Tensor:
    return value.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else value.to(device)


def collate(
    split: TokenizedSplit, sequences: Tensor, *, pad_id: int, weight: float = 1.0, states: States | None = None
) -> Batch:
    """A batch of the given sequences, padded to the longest of them, and their stored states if there are any."""
    inputs, rows = split.gather(sequences, pad_id=pad_id), split.rows_of(sequences)
    stored = states.gather(sequences, split.lengths) if states is not None else None
    if split.positions is None or split.item_offsets is None:
        return Batch(inputs, split.labels[sequences], rows, weight, states=stored)
    starts = split.item_offsets[sequences]
    counts = split.item_offsets[sequences + 1] - starts
    steps = torch.arange(int(counts.max()))
    mask = steps < counts[:, None]
    places = (starts[:, None] + steps).clamp_(max=split.num_items - 1)
    words = Words(
        positions=split.positions[places].long().masked_fill_(~mask, 0),
        mask=mask,
        begins=_at_border(split, sequences, rows),
        finishes=_at_border(split, sequences + 1, rows + 1),
    )
    return Batch(inputs, split.labels[places].masked_fill(~mask, UNLABELLED), rows, weight, words, stored)


def _at_border(split: TokenizedSplit, sequences: Tensor, rows: Tensor) -> Tensor:
    return (
        torch.ones_like(rows, dtype=torch.bool) if split.row_offsets is None else split.row_offsets[rows] == sequences
    )


@dataclass(frozen=True, slots=True)
class Inference:
    """What a model says of a batch: scores [items, outputs], sequence by sequence, and perhaps the summed loss.

    `losses` are what each sequence [sequences] adds to it, where the task tells that.
    """

    scores: Tensor
    loss: Tensor | None
    losses: Tensor | None = None


class Task(Protocol):
    """The meaning of a batch. A loss is always a sum over items; the loop divides once, by all items of the step.

    Scores come as the model gives them, [items, outputs]; `conclude` makes of them what the model finally says, in
    whatever form the task likes, and the task's other methods take it in that form.
    """

    @property
    def outputs(self) -> Outputs:
        """What the model has to give; `logits_alone` only where the task reads no other part of it."""
        ...

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the fields that `answers` gives; the first is the prediction itself."""
        ...

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> float:
        """What the summed loss of these rows is divided by: how many items they have, or the sum of their weights.

        It is known on the host, before anything runs.
        """
        ...

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """The loss summed over the batch's items, in fp32 or better; never a mean."""
        ...

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """Scores, and perhaps the summed loss, without gradients or dropout."""
        ...

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:
        """What a split's scores [items, outputs] come to, on the CPU."""
        ...

    def measure(self, found: Tensor, split: TokenizedSplit) -> dict[str, float]:
        """The task's metrics over a whole labelled split."""
        ...

    def detail(self, found: Tensor, split: TokenizedSplit) -> Breakdown:
        """The same score label by label."""
        ...

    def answers(self, found: Tensor, split: TokenizedSplit, rows: Iterable[Fields]) -> Iterator[Fields]:
        """What to write beside each row: the fields named in `results`."""
        ...


@runtime_checkable
class Resampling(Protocol):
    """What a task may have besides, so that its metrics get an interval: their values on any resample of the rows."""

    def row_metrics(self, found: Tensor, split: TokenizedSplit) -> RowMetrics:
        """The metrics over a whole labelled split, and over resamples of it."""
        ...


def mean_over_sequences(scores: Tensor, split: TokenizedSplit) -> Tensor:
    """Scores [sequences, outputs] averaged over each row's sequences: [rows, outputs]."""
    if split.row_offsets is None:
        return scores
    counts = split.row_offsets.diff()
    rows = torch.arange(split.num_rows).repeat_interleave(counts)
    sums = torch.zeros(split.num_rows, *scores.shape[1:], dtype=scores.dtype).index_add_(0, rows, scores)
    return sums / counts[:, None]


def row_labels(split: TokenizedSplit) -> Tensor:
    """The labels of rows that may have several sequences, all with the same label."""
    return split.labels if split.row_offsets is None else split.labels[split.row_offsets[:-1]]


def at_least_single(scores: Tensor) -> Tensor:
    """Scores in fp32, or fp64 where they are that."""
    return scores if scores.dtype is torch.float64 else scores.float()
