"""A run in this process, whole or step by step, for holding the laws against."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ftcli.flows.data import place_of, prepared_for
from ftcli.runtime.activity import finish
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.recipe import load_recipe
from ftcli.spec.run import RunSpec
from ftcli.train.assemble import assemble, load_parts
from ftcli.train.run import Run

GRADIENT_BOUND = {torch.float64: 1e-9, torch.float32: 1e-5}
"""Relative L2 distance up to which two gradients are equal to rounding."""


def spec_of(recipe: Path, *settings: str) -> RunSpec:
    return load_recipe(recipe, settings).spec


def make_run(spec: RunSpec, folder: Path, *, dtype: torch.dtype = torch.float64) -> Run:
    """A run at step 0, its model in `dtype`."""
    prepared = finish(prepared_for(place_of(spec.data)))
    parts = load_parts(spec, world=World(), prepared=prepared)
    parts.loaded.model.to(dtype)
    return finish(assemble(parts, run_dir=RunDir(folder)))


def accumulated_gradient(run: Run, step: int) -> tuple[Tensor, float]:
    """The gradient of a step as the loop accumulates it, flat, and the step's mean loss; the weights stay."""
    group = run.feed.group(step)
    run.model.zero_grad(set_to_none=True)
    total = 0.0
    for batch in group.batches:
        loss = run.task.loss(run.model, batch)
        run.precision.backward(loss * (batch.weight / group.num_items))
        total += float(loss.detach()) * batch.weight
    return flat_gradient(run.model), total / group.num_items


def flat_gradient(model: torch.nn.Module) -> Tensor:
    """All gradients but those of attention's key biases, whose gradient is zero in exact arithmetic."""
    named = model.named_parameters()
    return torch.cat([p.grad.flatten() for n, p in named if p.grad is not None and not n.endswith("key.bias")])


def relative_distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def weights(run_or_folder: Run | Path) -> dict[str, Tensor]:
    if isinstance(run_or_folder, Run):
        return {name: value.detach().clone() for name, value in run_or_folder.model.state_dict().items()}
    from safetensors.torch import load_file

    return load_file(run_or_folder / "model.safetensors")
