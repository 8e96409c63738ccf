"""What tests of tasks share: a model that is a table of logits, and batches and splits that hold nothing but labels."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.encoding import Encoded
from ftcli.tasks.base import Batch, Task


class Table(nn.Module):
    """A model whose logits are a learned row for each token id. The rows of each pass are told apart by `noise`."""

    def __init__(self, num_outputs: int = 3, dtype: torch.dtype = torch.float32, *, noise: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.rows = nn.Parameter(torch.randn(20, num_outputs, generator=generator).to(dtype))
        self.noise = noise * torch.randn(20, num_outputs, generator=generator).to(dtype)

    def forward(self, input_ids: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.rows[input_ids[:, 0]] + self.noise[: len(input_ids)])


def batch_of(labels: Tensor) -> Batch:
    """Row n is the token n."""
    return Batch({"input_ids": torch.arange(len(labels))[:, None]}, labels, torch.arange(len(labels)))


def split_of(
    labels: Tensor | None, *, rows: int | None = None, sequences: Sequence[int] | None = None
) -> TokenizedSplit:
    """Rows with these labels, of one or more sequences each."""
    count = rows if rows is not None else len(labels) if labels is not None else 0
    numbers = None if sequences is None else list(sequences)
    ids = [[1]] * (count if numbers is None else sum(numbers))
    return TokenizedSplit.of(Encoded(ids, None, [1] * count, sequences=numbers), labels)


def measured(task: Task, scores: Tensor, labels: Tensor, *, sequences: Sequence[int] | None = None) -> dict[str, float]:
    """The metrics of a model that scores a split so."""
    split = split_of(labels, sequences=sequences)
    return task.measure(task.conclude(nn.Identity(), scores, split), split)
