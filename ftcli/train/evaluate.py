"""Scoring a split: every row exactly once, whatever the world, and the sum of losses divided once.

Scores are computed in the weights' own precision (fp32) whatever a step's arithmetic is, so that training, `eval`,
`predict` and plain transformers agree on what a checkpoint says, on every device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ftcli.data.plan import by_length
from ftcli.data.tokens import TokenizedSplit
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.interrupt import Interrupt, StopAsked
from ftcli.runtime.world import World
from ftcli.tasks.base import Task, collate
from ftcli.train.memory import out_of_memory_at

_BATCHES_BETWEEN_AGREEMENTS = 4
"""Several ranks must leave together; agreeing costs them an exchange, too much for every batch."""
SCORE_HINT = "lower evaluate.batch_size (of eval and predict: --batch-size)"


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's scores of a split, in row order: [rows, labels]. `loss` is the mean over rows, None without labels."""

    scores: Tensor
    loss: float | None


def score_split(
    model: nn.Module,
    split: TokenizedSplit,
    *,
    name: str,
    task: Task,
    world: World,
    pad_id: int,
    batch_size: int,
    interrupt: Interrupt | None = None,
) -> Working[Scores]:
    """Score every row of a split, in batches of similar length dealt to the ranks in turn.

    Row numbers travel with the scores, so nothing is padded or counted twice; every rank gets the whole result.

    Raises:
        StopAsked: on all ranks alike, when the `interrupt` of any was asked to stop.
    """
    model.eval()
    batches = torch.split(by_length(torch.arange(split.num_rows), split.lengths).flip(0), batch_size)
    mine = list(batches[world.rank :: world.size])
    losses = torch.zeros((), dtype=torch.float64, device=world.device)
    rows: list[Tensor] = [torch.empty(0, dtype=torch.int64)]
    scores: list[Tensor] = [torch.empty(0, len(task.labels))]
    done = 0
    with torch.inference_mode():
        for number, part in enumerate(mine):
            if interrupt is not None and number < len(batches) // world.size:
                _heed(interrupt, world, number)
            with out_of_memory_at(f"scoring {len(part)} rows at once", SCORE_HINT):
                batch = collate(split, part, pad_id=pad_id).to(world.device)
                result = task.infer(model, batch, with_loss=split.is_labelled)
            losses += result.loss if result.loss is not None else 0
            rows.append(part)
            scores.append(result.scores)
            done += len(part)
            yield Activity(f"evaluate {name}", min(done * world.size, split.num_rows), split.num_rows)
    loss = float(world.sum(losses)) / split.num_rows
    ordered = _in_row_order(world.gather_rows(torch.cat(rows)), world.gather_rows(_joined(scores)))
    return Scores(ordered, loss if split.is_labelled else None)


def _heed(interrupt: Interrupt, world: World, number: int) -> None:
    """Before a batch that every rank has: leave if any rank was asked to."""
    if world.size == 1 or number % _BATCHES_BETWEEN_AGREEMENTS == 0:
        signal = world.largest(interrupt.requested)
        if signal:
            raise StopAsked(signal)


def _joined(scores: list[Tensor]) -> Tensor:
    wanted = scores[-1].dtype
    return torch.cat([part.to(device="cpu", dtype=wanted) for part in scores])


def _in_row_order(rows: Tensor, scores: Tensor) -> Tensor:
    ordered = torch.empty_like(scores)
    ordered[rows] = scores
    return ordered


def measure(task: Task, split: TokenizedSplit, scored: Scores) -> dict[str, float]:
    """The task's metrics of a scored split."""
    return task.measure(scored.scores, split.labels)
