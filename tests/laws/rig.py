"""A recipe's parts, run and bench in this process, for holding the laws of ftcli.flows.laws against."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ftcli.flows.data import place_of, prepared_for
from ftcli.flows.laws.bench import Bench, open_bench
from ftcli.flows.laws.shaping import on_cpu
from ftcli.runtime.activity import finish
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.recipe import anchored, load_recipe
from ftcli.spec.run import RunSpec
from ftcli.tasks.build import build_task as build_any_task
from ftcli.train.assemble import BuildTask, Parts, assemble, load_parts
from ftcli.train.run import Run

LOSSES: dict[str, tuple[str, ...]] = {
    "class weights": ("task.class_weights={no=0.3, yes=2.7}",),
    "balanced weights and smoothing": ("task.class_weights=balanced", "task.label_smoothing=0.1"),
    "focal": ("task.focal_gamma=2.0",),
    "symmetric pairs": ("task.symmetric=true",),
    "R-Drop of weighted symmetric pairs": ("task.r_drop=0.5", "task.symmetric=true", "task.class_weights={yes=0.2}"),
}
"""What a step may sum up and divide by, beside the plain loss of each row."""


def spec_of(recipe: Path, *settings: str) -> RunSpec:
    return load_recipe(recipe, settings).spec


def make_parts(spec: RunSpec, *, dtype: torch.dtype = torch.float64, build_task: BuildTask = build_any_task) -> Parts:
    """The parts of a run, its model in `dtype`."""
    prepared = finish(prepared_for(place_of(spec.data)))
    parts = load_parts(spec, world=World(), prepared=prepared, build_task=build_task)
    parts.loaded.model.to(dtype)
    return parts


def make_run(spec: RunSpec, folder: Path, *, dtype: torch.dtype = torch.float64) -> Run:
    """A run at step 0, its model in `dtype`."""
    return finish(assemble(make_parts(spec, dtype=dtype), run_dir=RunDir(folder)))


def make_bench(spec: RunSpec, folder: Path, *, build_task: BuildTask = build_any_task) -> Bench:
    """What `prove` holds its laws against."""
    spec = on_cpu(anchored(spec))
    prepared = finish(prepared_for(place_of(spec.data)))
    folder.mkdir()
    return finish(open_bench(spec, prepared=prepared, folder=folder, build_task=build_task))


def weights(run_or_folder: Run | Path) -> dict[str, Tensor]:
    """A live model's weights as they are now, or a checkpoint's."""
    if isinstance(run_or_folder, Run):
        return {name: value.detach().clone() for name, value in run_or_folder.model.state_dict().items()}
    return load_file(run_or_folder / "model.safetensors")
