"""One optimizer step: the gradient of the mean loss over every item of the group, however the group is cut."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ftcli.modeling.freezing import set_training_mode
from ftcli.runtime.seeding import seed_step
from ftcli.train.feed import Group
from ftcli.train.memory import out_of_memory_at
from ftcli.train.run import Run

MICRO_HINT = "lower batch.micro_size or batch.max_tokens: the step keeps its rows, only in smaller pieces"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave: this rank's summed loss and the gradient norm before clipping, both still on the device."""

    loss: Tensor
    grad_norm: Tensor
    overflowed: bool


def train_step(run: Run, group: Group) -> Outcome:
    """Accumulate the group's gradient, then clip and step.

    Raises:
        OutOfMemoryError: a micro-batch does not fit.
    """
    total = accumulate(run, group)
    norm = run.precision.clip(run.model, run.optimizer.inner, run.max_grad_norm)
    run.optimizer.set_rates(run.schedule(run.progress.step))
    stepped = run.precision.step(run.optimizer.inner)
    run.optimizer.inner.zero_grad(set_to_none=True)
    return Outcome(total, norm, not stepped)


def accumulate(run: Run, group: Group) -> Tensor:
    """Forward and backward over the group's micro-batches; returns this rank's summed loss, on the device.

    Losses are sums. They are divided once, by the items of the whole group over all ranks, which the host knows before
    anything runs. DDP averages over ranks where a sum is wanted, hence the factor of the world's size.

    Raises:
        OutOfMemoryError: a micro-batch does not fit.
    """
    world = run.world
    seed_step(run.seed, step=run.progress.step, rank=world.rank, device=world.device)
    set_training_mode(run.wrapped, run.frozen_modules)
    total = torch.zeros((), dtype=torch.float64, device=world.device)
    last = len(group.batches) - 1
    for number, batch in enumerate(group.batches):
        total += _forward_backward(run, group, number, is_last=number == last) * batch.weight
    return total


def _forward_backward(run: Run, group: Group, number: int, *, is_last: bool) -> Tensor:
    """Add one micro-batch's share of the gradient; returns its summed loss."""
    batch = group.batches[number].to(run.world.device)
    # DDP decides in the forward pass whether the backward will synchronise, so both belong inside.
    what = f"a micro-batch of {len(batch.labels)} rows"
    with out_of_memory_at(what, MICRO_HINT), run.world.syncing(run.wrapped, when=is_last):
        with run.precision.autocast():
            loss = run.task.loss(run.wrapped, batch)
        run.precision.backward(loss * (batch.weight * run.world.size / group.num_items))
    return loss.detach()
