"""One optimizer step: the gradient of the mean loss over every item of the group, however the group is cut."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ftcli.errors import NonFiniteError, OutOfMemoryError, Problem
from ftcli.modeling.freezing import set_training_mode
from ftcli.runtime.seeding import seed_step
from ftcli.spec.wording import counted
from ftcli.tasks.base import Batch
from ftcli.train.feed import Group
from ftcli.train.memory import MICRO_HINT, SPLIT_HINT, STATE_HINT, UnsharedMemoryError, out_of_memory_at
from ftcli.train.meter import Outcome
from ftcli.train.run import Run

NONFINITE_HINT = "lower optimizer.lr, lengthen schedule.warmup, or use precision.kind = fp32"
_NOT_FINITE, _NO_MEMORY = 1000, 2000
"""What a rank has to say to the others beside the number of a signal, all of which are smaller."""


def train_step(run: Run, group: Group) -> Outcome:
    """Accumulate the group's gradient, agree with the other ranks that it is sound, then clip and step.

    On a GPU the agreement waits for the device once a step: weights must not be moved by a gradient that is no number.

    Raises:
        OutOfMemoryError: a micro-batch does not fit, on any rank. Nothing has changed; the step can be taken again.
        NonFiniteError: the loss or the gradient is no number. The weights are those before the step.
    """
    losses = torch.zeros(len(group.batches), dtype=torch.float64, device=run.world.device)
    failure = _try_accumulating(run, group, losses)
    norm = losses if failure else _norm(run, run.precision.gradients(run.model, run.optimizer.inner))
    signal = _agree(run, group, losses, norm, failure)
    with out_of_memory_at("the optimizer's step, which keeps state for all that is trained,", STATE_HINT):
        run.precision.clip(run.model, norm, run.max_grad_norm)
        run.optimizer.set_rates(run.schedule(run.progress.step))
        stepped = run.precision.step(run.optimizer.inner)
    if stepped and run.average is not None:
        run.average.update(run.progress.step + 1)
    run.optimizer.inner.zero_grad(set_to_none=True)
    return Outcome(losses.sum(), norm, not stepped, signal)


def _try_accumulating(run: Run, group: Group, losses: Tensor) -> Sequence[Problem]:
    """Accumulate; running out of memory comes back as its problems, for an error's frames hold what did not fit."""
    try:
        accumulate(run, group, losses)
    except UnsharedMemoryError:
        raise
    except OutOfMemoryError as error:
        return error.problems
    return ()


def _agree(run: Run, group: Group, losses: Tensor, norm: Tensor, failure: Sequence[Problem]) -> int:
    """Raise what any rank has to raise, on all of them; returns the largest signal that any was sent."""
    is_sound = bool(torch.isfinite(losses).all() & (torch.isfinite(norm).all() | run.precision.may_overflow))
    mine = _NO_MEMORY if failure else run.interrupt.requested if is_sound else _NOT_FINITE
    verdict = run.world.largest(mine)
    if verdict == _NO_MEMORY:
        run.optimizer.inner.zero_grad(set_to_none=True)
        run.precision.abandon()
        raise OutOfMemoryError(failure or [Problem("another rank ran out of memory", hint=MICRO_HINT)])
    if verdict == _NOT_FINITE:
        raise _not_finite(run, group, losses, norm)
    return verdict


def _not_finite(run: Run, group: Group, losses: Tensor, norm: Tensor) -> NonFiniteError:
    """Say in which step, in which rows and in which layers."""
    step = run.progress.step + 1
    bad = cast("list[int]", (~torch.isfinite(losses)).nonzero().flatten().tolist())
    rows = [row for number in bad for row in cast("list[int]", group.batches[number].rows.tolist())]
    total = run.world.sum(losses.sum())
    mean = float(total) / group.num_items
    found = run.world.gather_rows(torch.tensor(rows, dtype=torch.int64))
    rows = sorted(set(cast("list[int]", found.tolist())))  # a row may be several sequences
    where = f"among {len(rows)} of its rows" if rows else f"among its {counted(group.num_rows)}"
    return NonFiniteError(
        f"the loss is {mean:.4g} and the gradient norm {float(norm):.4g} in step {step}, {where}",
        hint=NONFINITE_HINT,
        step=step,
        rows=rows,
        layer_norms=_layer_norms(run),
    )


def _norm(run: Run, gradients: list[Tensor]) -> Tensor:
    return run.world.whole(nn.utils.get_total_norm(gradients))


def _layer_norms(run: Run) -> dict[str, float]:
    """The gradient norm of each layer: the modules up to the first number in their name, or two levels deep."""
    found: dict[str, list[Tensor]] = {}
    for name, parameter in run.model.named_parameters():
        if parameter.grad is not None:
            parts = name.split(".")[:-1]
            depth = next((place + 1 for place, part in enumerate(parts) if part.isdigit()), 2)
            found.setdefault(".".join(parts[:depth]), []).append(parameter.grad)
    return {layer: float(_norm(run, gradients)) for layer, gradients in found.items()}


def accumulate(run: Run, group: Group, losses: Tensor | None = None, *, alone: bool = False) -> Tensor:
    """Forward and backward over the group's micro-batches; returns this rank's summed loss, on the device.

    Losses are sums. They are divided once, by the items of the whole group over all ranks, which the host knows before
    anything runs. DDP averages over ranks where a sum is wanted, hence the factor of the world's size.

    Args:
        run: The run.
        group: The rows of one step.
        losses: Where to put each micro-batch's summed loss [micro-batches], if the caller wants them.
        alone: Leave each rank's gradients its own, as a trial does that takes no step.

    Raises:
        OutOfMemoryError: a micro-batch does not fit.
    """
    world = run.world
    seed_step(run.seed, step=run.progress.step, rank=world.rank, device=world.device)
    set_training_mode(run.wrapped, run.frozen_modules)
    if losses is None:
        losses = torch.zeros(len(group.batches), dtype=torch.float64, device=world.device)
    last = len(group.batches) - 1
    for number, batch in enumerate(group.batches):
        try:
            meets = number == last and not alone
            losses[number] = _forward_backward(run, group, batch, meets=meets) * batch.weight
        except OutOfMemoryError as error:
            if world.size > 1 and not alone:
                if world.sharding is not None:
                    raise UnsharedMemoryError([replace(each, hint=SPLIT_HINT) for each in error.problems]) from error
                if number == last:
                    raise UnsharedMemoryError(error.problems) from error
                _join_others(run, group)
            raise
    return losses.sum()


def _join_others(run: Run, group: Group) -> None:
    """The other ranks wait for this one's gradients: give them those of one row, which count for nothing."""
    try:
        _forward_backward(run, group, run.feed.dummy(run.progress.step), meets=True)
    except OutOfMemoryError as error:
        raise UnsharedMemoryError(error.problems) from error


def _forward_backward(run: Run, group: Group, batch: Batch, *, meets: bool) -> Tensor:
    """Add one micro-batch's share of the gradient; returns its summed loss."""
    batch = batch.to(run.world.device)
    tokens = counted(batch.num_slots // len(batch.rows), "token")
    what = f"a micro-batch of {counted(len(batch.rows))} and {tokens} each"
    # DDP decides in the forward pass whether the backward will synchronise, so both belong inside.
    with out_of_memory_at(what, MICRO_HINT), run.world.syncing(run.wrapped, when=meets), _compiled(run):
        with run.precision.autocast(), run.cache.standing_in(batch):
            loss = run.task.loss(run.wrapped, batch)
        run.precision.backward(loss * (batch.weight * run.world.size / group.num_items))
    return loss.detach()


def _compiled(run: Run) -> AbstractContextManager[None]:
    return nullcontext() if run.compiled is None else run.compiled.standing_in()
