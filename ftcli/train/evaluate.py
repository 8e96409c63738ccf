"""Scoring a split: every row exactly once, whatever the world, and the sum of losses divided once.

Scores are computed in the weights' own precision (fp32) whatever a step's arithmetic is, so that training, `eval`,
`predict` and plain transformers agree on what a checkpoint says, on every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ftcli.data.plan import Cut, deal
from ftcli.data.tokens import TokenizedSplit
from ftcli.modeling.packing import skips_padding
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.interrupt import Interrupt, StopAsked
from ftcli.runtime.world import World
from ftcli.tasks.base import Batch, Inference, Task, collate
from ftcli.train.cache import PrefixCache
from ftcli.train.feed import cut_by_cost
from ftcli.train.memory import out_of_memory_at

_BATCHES_BETWEEN_AGREEMENTS = 4
"""Several ranks must leave together; agreeing costs them an exchange, too much for every batch."""
SCORE_HINT = "set evaluate.batch_size, or lower it (of eval and predict: --batch-size)"


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of a split: its scores [items, outputs], and `found`, what its task concludes from them.

    `loss` is the mean over items, None without labels. `losses` are what each row [rows] adds to the sum that this is
    the mean of, float64; None where the task doesn't tell, and of several processes, where nobody asks.
    """

    scores: Tensor
    found: Tensor
    loss: float | None
    losses: Tensor | None = None


def score_split(
    model: nn.Module,
    split: TokenizedSplit,
    *,
    name: str,
    task: Task,
    world: World,
    pad_id: int,
    batch_size: int | Literal["auto"],
    interrupt: Interrupt | None = None,
    cache: PrefixCache | None = None,
    scored: list[Tensor] | None = None,
) -> Working[Scores]:
    """Score every row of a split, in batches of similar length that are dealt to the ranks.

    The numbers of items travel with their scores, so nothing is padded or counted twice; every rank gets the whole.
    Of rows without labels, `scored` are the scores of the first batches, if an earlier call has computed them; those of
    the others are added to it as they come.

    Raises:
        StopAsked: on all ranks alike, when the `interrupt` of any was asked to stop.
    """
    model.eval()
    cache = cache or PrefixCache()
    mine, num_shared = _share(model, split, world, batch_size)
    losses = torch.zeros((), dtype=torch.float64, device=world.device)
    scores: list[Tensor] = [] if scored is None else scored
    of_batches: list[Tensor | None] = []
    num_known, done = len(scores), 0
    with torch.inference_mode():
        for number, part in enumerate(mine):
            if interrupt is not None and number < num_shared:
                _heed(interrupt, world, number)
            if number >= num_known:
                batch = collate(split, part, pad_id=pad_id, states=cache.states.get(name))
                result = _infer(model, batch, task, world, cache, with_loss=split.is_labelled)
                losses += 0 if result.loss is None else result.loss
                scores.append(result.scores)
                of_batches.append(result.losses)
            done += len(part) * world.size
            yield _so_far(name, split, done)
        ordered = _in_order(world.gather_rows(_items_of(split, mine)), world.gather_rows(_joined(scores, task)))
        found = task.conclude(model, ordered, split)
        if not split.is_labelled:
            return Scores(ordered, found, None)
        loss = float(world.sum(losses)) / task.count_items(split, torch.arange(split.num_rows))
        return Scores(ordered, found, loss, _by_row(split, mine, of_batches) if world.size == 1 else None)


def _infer(
    model: nn.Module, batch: Batch, task: Task, world: World, cache: PrefixCache, *, with_loss: bool
) -> Inference:
    with out_of_memory_at(f"scoring {len(batch.rows)} sequences at once", SCORE_HINT):
        batch = batch.to(world.device)
        with cache.standing_in(batch):
            return task.infer(model, batch, with_loss=with_loss)


def _so_far(name: str, split: TokenizedSplit, done: int) -> Activity:
    unit = "rows" if split.row_offsets is None else "sequences"
    return Activity(f"evaluate {name}", min(done, split.num_sequences), split.num_sequences, unit)


def _share(
    model: nn.Module, split: TokenizedSplit, world: World, batch_size: int | Literal["auto"]
) -> tuple[list[Tensor], int]:
    """This rank's batches, as numbers of sequences, and how many batches every rank has."""
    cut = cut_by_cost(world, skips_padding=skips_padding(model)) if batch_size == "auto" else Cut(rows=batch_size)
    every = [_filled(share) for share in deal(torch.arange(split.num_sequences), split.lengths, cut, world.size)]
    return every[world.rank], min(map(len, every))


def _filled(share: tuple[Tensor, ...]) -> list[Tensor]:
    return [part for part in share if len(part)]


def _heed(interrupt: Interrupt, world: World, number: int) -> None:
    """Before a batch that every rank has: leave if any rank was asked to."""
    if world.size == 1 or number % _BATCHES_BETWEEN_AGREEMENTS == 0:
        signal = world.largest(interrupt.requested)
        if signal:
            raise StopAsked(signal)


def _joined(scores: list[Tensor], task: Task) -> Tensor:
    if not scores:
        return torch.empty(0, task.outputs.size)
    wanted = scores[-1].dtype
    return torch.cat([part.to(device="cpu", dtype=wanted) for part in scores])


def _by_row(split: TokenizedSplit, parts: list[Tensor], losses: list[Tensor | None]) -> Tensor | None:
    """The summed losses of rows [rows], of those of the parts' sequences; None where one does not tell them."""
    known = [part.double().cpu() for part in losses if part is not None]
    if len(known) < len(parts) or not parts:
        return None
    rows = split.rows_of(torch.cat(parts))
    return torch.zeros(split.num_rows, dtype=torch.float64).index_add_(0, rows, torch.cat(known))


def _items_of(split: TokenizedSplit, parts: list[Tensor]) -> Tensor:
    return torch.cat([torch.empty(0, dtype=torch.int64), *map(split.items_of, parts)])


def _in_order(items: Tensor, scores: Tensor) -> Tensor:
    ordered = torch.empty_like(scores)
    ordered[items] = scores
    return ordered
