"""Parts of one's own, small and whole: a reader, a task, a loss, a metric and an optimizer. Copy what you need.

    [data]
    train = "rows.txt"
    columns = { text = "question", label = "answer" }
    format = { kind = "custom", factory = "parts:blocks" }
    [task]
    kind = "custom"
    factory = "parts:ordinal"          # or with kind = "classification": loss = "parts:robust"
    [evaluate]
    factory = "parts:recall_at_precision"
    best = "recall_at_precision"
    [optimizer]
    kind = "custom"
    factory = "parts:Lion"
    options = { beta2 = 0.98 }
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from ftcli.data.targets import LabelFacts
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.outputs import Outputs
from ftcli.spec.choices import ClassificationTask
from ftcli.spec.sections import EvaluateSection
from ftcli.tasks.base import Batch, Inference, at_least_single, mean_over_sequences
from ftcli.tasks.classification import Classification, build_classification


def blocks(stream: BinaryIO, name: str) -> Iterator[dict[str, object]]:
    """A reader: rows are parted by empty lines, and each of their lines is `field: value`."""
    row: dict[str, object] = {}
    for line in stream:
        field, _, value = line.decode().strip().partition(": ")
        if field:
            row[field] = value
        elif row:
            yield row
            row = {}
    if row:
        yield row


@dataclass(frozen=True, slots=True)
class Ordinal(Classification):
    """Labels that have an order, such as "bad", "fair", "good": to miss by one is better than to miss by two.

    The model scores, for each label but the last, whether the row's label is a higher one. What it concludes are
    log-probabilities of the labels, as of any classification, so that metrics and answers are those of one.
    """

    @property
    def outputs(self) -> Outputs:
        """One yes or no less than there are labels."""
        return Outputs(tuple(f"above {label}" for label in self.labels[:-1]), problem="multi_label_classification")

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Binary cross-entropy of all these questions, summed over rows: a sum, for the step divides by its items."""
        return self._summed(model(**batch.inputs).logits, batch.labels)

    def _summed(self, logits: Tensor, labels: Tensor) -> Tensor:
        is_above = labels[:, None] > torch.arange(logits.shape[1], device=labels.device)
        return binary_cross_entropy_with_logits(at_least_single(logits), is_above.to(torch.float32), reduction="sum")

    def infer(self, model: nn.Module, batch: Batch, *, with_loss: bool) -> Inference:
        """The logits [rows, labels - 1] and, if asked for, the summed loss."""
        logits = at_least_single(model(**batch.inputs).logits)
        return Inference(logits, self._summed(logits, batch.labels) if with_loss else None)

    def conclude(self, model: nn.Module, scores: Tensor, split: TokenizedSplit) -> Tensor:
        """Log-probabilities [rows, labels]: of being above the label below, and not above this one."""
        above = mean_over_sequences(scores.double().sigmoid(), split)
        edge = torch.ones(len(above), 1, dtype=above.dtype)
        chances = (torch.cat((edge, above), 1) - torch.cat((above, 0 * edge), 1)).clamp(min=1e-9)
        return (chances / chances.sum(1, keepdim=True)).log()


def ordinal(facts: LabelFacts, evaluate: EvaluateSection) -> Ordinal:
    """A task factory. The labels' order is the recipe's `data.labels`."""
    plain = build_classification(ClassificationTask(), facts, evaluate)
    return Ordinal(labels=plain.labels, metrics=plain.metrics)


def robust(logits: Tensor, labels: Tensor) -> Tensor:
    """A loss [items], for labels that are often wrong: (1 - p ** q) / q with q = 0.7 (Zhang and Sabuncu, 2018)."""
    right = log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
    return -torch.expm1(0.7 * right) / 0.7


def recall_at_precision(found: Tensor, gold: Tensor) -> dict[str, float]:
    """A metric: how many rows of the last label are found, if nine of ten that are called so have to be right.

    `found` are log-probabilities [rows, labels], `gold` label numbers [rows].
    """
    order = found[:, -1].argsort(descending=True)
    is_right = gold[order] == found.shape[1] - 1
    num_right = is_right.cumsum(0).double()
    precision = num_right / torch.arange(1, len(gold) + 1)
    recall = num_right[precision >= 0.9] / max(1, int(is_right.sum()))
    return {"recall_at_precision": float(recall.max()) if len(recall) else 0.0}


class Lion(torch.optim.Optimizer):
    """An optimizer (Chen et al., 2023): a step goes by the sign of a mean of gradients. It likes a tenth of Adam's rate.

    ftcli gives groups with `lr` and `weight_decay` each. All that it keeps is a tensor: a checkpoint holds nothing else.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float, beta1: float = 0.9, beta2: float = 0.99) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self.betas = beta1, beta2

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move all that has a gradient."""
        slow, fast = self.betas
        for group in self.param_groups:
            for parameter in (each for each in group["params"] if each.grad is not None):
                state = self.state[parameter]
                mean = state.setdefault("mean", torch.zeros_like(parameter))
                direction = mean.lerp(parameter.grad, 1 - slow).sign_()
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=group["lr"])
                mean.lerp_(parameter.grad, 1 - fast)
