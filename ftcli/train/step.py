"""One optimizer step: the gradient of the mean loss over every item of the group, however the group is cut."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ftcli.modeling.freezing import set_training_mode
from ftcli.runtime.seeding import seed_step
from ftcli.train.feed import Group, explain_memory, is_memory_error
from ftcli.train.run import Run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave: this rank's summed loss and the gradient norm before clipping, both still on the device."""

    loss: Tensor
    grad_norm: Tensor
    overflowed: bool


def train_step(run: Run, group: Group) -> Outcome:
    """Forward and backward over the group's micro-batches, then clip and step.

    Losses are sums. They are divided once, by the items of the whole group over all ranks, which the host knows before
    anything runs. DDP averages over ranks where a sum is wanted, hence the factor of the world's size.

    Raises:
        OutOfMemoryError: a micro-batch does not fit.
    """
    world, step = run.world, run.progress.step
    seed_step(run.seed, step=step, rank=world.rank, device=world.device)
    set_training_mode(run.wrapped)
    total = torch.zeros((), dtype=torch.float64, device=world.device)
    last = len(group.batches) - 1
    for number, batch in enumerate(group.batches):
        total += _accumulate(run, group, number, is_last=number == last) * batch.weight
    norm = run.precision.clip(run.model, run.optimizer.inner, run.max_grad_norm)
    run.optimizer.set_rates(run.schedule(step))
    stepped = run.precision.step(run.optimizer.inner)
    run.optimizer.inner.zero_grad(set_to_none=True)
    return Outcome(total, norm, not stepped)


def _accumulate(run: Run, group: Group, number: int, *, is_last: bool) -> Tensor:
    """Add one micro-batch's share of the gradient; returns its summed loss."""
    batch = group.batches[number].to(run.world.device)
    try:
        # DDP decides in the forward pass whether the backward will synchronise, so both belong inside.
        with run.world.syncing(run.wrapped, when=is_last):
            with run.precision.autocast():
                loss = run.task.loss(run.wrapped, batch)
            run.precision.backward(loss * (batch.weight * run.world.size / group.num_items))
    except RuntimeError as error:
        if is_memory_error(error):
            raise explain_memory(error, run.feed.cut) from error
        raise
    return loss.detach()
