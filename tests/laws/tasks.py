"""Tasks of our own: one whose rows have uneven numbers of items, and some that break a law each.

Their builders are found by name in the processes that torchrun starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.launch import launched_rank
from ftcli.tasks.base import Batch, Inference, Task
from ftcli.tasks.build import build_task as build_any_task
from ftcli.tasks.classification import Classification, build_classification

Variant = TypeVar("Variant", bound=Classification)


def build_as(kind: type[Variant], *asked: Any) -> Variant:
    """What a recipe asks for, as a task of a kind that is derived from classification."""
    task = build_classification(*asked)
    return kind(**{each.name: getattr(task, each.name) for each in fields(task)})


def is_item(ids: Tensor) -> Tensor:
    """One token in seven or so is an item: rows have none, a few, or many."""
    return (ids > 3) & (ids % 7 == 0)


@dataclass(frozen=True)
class EvenTokens(Classification):
    """Is the token's number even? Asked of some tokens; the first two hidden values are the answer's logits."""

    def count_items(self, split: TokenizedSplit, rows: Tensor) -> int:
        return sum(int(is_item(split.ids[split.offsets[row] : split.offsets[row + 1]]).sum()) for row in rows)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        hidden = model(**batch.inputs, output_hidden_states=True).hidden_states[-1]
        ids = batch.inputs["input_ids"]
        chosen = is_item(ids) & batch.inputs["attention_mask"].bool()
        return cross_entropy(hidden[chosen][:, :2], ids[chosen] % 2, reduction="sum")

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        return Inference(model(**batch.inputs).logits, self.loss(model, batch) if with_loss else None)


HEADLESS = r"freeze.patterns=['pooler', 'classifier']"
"""What EvenTokens has no use for; DDP waits for the gradient of all that is trained."""


def build_even_tokens(*asked: Any) -> EvenTokens:
    return build_as(EvenTokens, *asked)


@dataclass(frozen=True)
class MeanLoss(Classification):
    """Breaks the task's contract: its loss is a mean over rows, where a sum is asked for."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return Classification.loss(self, model, batch) / len(batch.labels)


def build_mean_loss(*asked: Any) -> MeanLoss:
    return build_as(MeanLoss, *asked)


@dataclass(frozen=True)
class Remembering(Classification):
    """Keeps something between steps that no checkpoint holds: how often it was asked."""

    calls: list[int] = field(default_factory=list)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        self.calls.append(1)
        return Classification.loss(self, model, batch) * (1 + 0.1 * len(self.calls))


def build_remembering(*asked: Any) -> Remembering:
    return build_as(Remembering, *asked)


@dataclass(frozen=True)
class Meddling(Classification):
    """Moves a weight that the recipe froze."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            model.get_parameter("bert.embeddings.LayerNorm.bias").add_(1e-3)
        return Classification.loss(self, model, batch)


def build_meddling(*asked: Any) -> Meddling:
    return build_as(Meddling, *asked)


def build_on_rank_0_alone(*asked: Any) -> Task:
    if launched_rank() > 0:
        raise ValueError("this task is for rank 0")
    return build_any_task(*asked)


@dataclass(frozen=True)
class RankAware(Classification):
    """Gives rows another weight on another rank."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return Classification.loss(self, model, batch) * (1 + 0.1 * launched_rank())


def build_rank_aware(*asked: Any) -> RankAware:
    return build_as(RankAware, *asked)
