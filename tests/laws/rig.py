"""A recipe's parts, run and bench in this process, for holding the laws of ftcli.flows.laws against."""

from __future__ import annotations

import json
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
from ftcli.spec.choices import card_task
from ftcli.spec.recipe import anchored, load_recipe
from ftcli.spec.run import RunSpec
from ftcli.tasks.build import build_task as build_any_task
from ftcli.train.assemble import BuildTask, Parts, assemble, load_parts
from ftcli.train.run import Run
from tests.conftest import COLUMNS, WORDS

CPU = torch.device("cpu")
LOSSES: dict[str, tuple[str, ...]] = {
    "class weights": ("task.class_weights={no=0.3, yes=2.7}",),
    "balanced weights and smoothing": ("task.class_weights=balanced", "task.label_smoothing=0.1"),
    "focal": ("task.focal_gamma=2.0",),
    "symmetric pairs": ("task.symmetric=true",),
    "R-Drop of weighted symmetric pairs": ("task.r_drop=0.5", "task.symmetric=true", "task.class_weights={yes=0.2}"),
}
"""What a step may sum up and divide by, beside the plain loss of each row."""
_WORDS = ("task.kind=tagging", "data.max_length=8")
TASKS: dict[str, tuple[str, ...]] = {
    "multi-label": (
        *("task.multi_label=true", "data.columns={text='a', pair='b', label='subjects'}"),
        *("task.class_weights={card=2.0}", "task.symmetric=true"),
    ),
    "regression": ("task.kind=regression", "data.columns={text='a', pair='b', label='score'}"),
    "tagging in windows": (*_WORDS, "task.label_smoothing=0.1"),
    "tagging with class weights": (*_WORDS, "task.class_weights={O=0.2, B-S=3.0}"),
    "tagging with a CRF": (*_WORDS, "model.head=crf"),
}
"""Other tasks, for `spec_for`; sentences are longer than a window."""


def spec_for(project: Path, *settings: str) -> RunSpec:
    """The project's recipe with settings of `TASKS`; its rows get a label of every kind, in columns of their own."""
    for path in project.glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text(
            "".join(json.dumps({**row, **_labels(row["a"].split(), row["b"].split())}) + "\n" for row in rows)
        )
    recipe = project / "tiny.toml"
    if set(_WORDS) <= set(settings):
        recipe.write_text(recipe.read_text().replace(COLUMNS, "columns = { text = 'words', label = 'tags' }"))
    return spec_of(recipe, *settings)


def _labels(words: list[str], others: list[str]) -> dict[str, object]:
    subjects = [word for word in ("card", "hotel", "refund") if word in {*words, *others}]
    tags = ["B-S" if word in WORDS[::4] else "B-T" if word in WORDS[1::4] else "O" for word in words]
    inside = ["I-S" if pair == ("B-S", "B-S") else pair[1] for pair in zip(["O", *tags], tags, strict=False)]
    score = len({*words} & {*others}) + len(words) / 10
    return {"subjects": subjects, "score": score, "words": words, "tags": inside}


def spec_of(recipe: Path, *settings: str) -> RunSpec:
    return load_recipe(recipe, settings).spec


def make_parts(
    spec: RunSpec,
    *,
    dtype: torch.dtype = torch.float64,
    build_task: BuildTask = build_any_task,
    start: Path | None = None,
    device: torch.device = CPU,
) -> Parts:
    """The parts of a run that starts from a checkpoint or anew, its model in `dtype`."""
    prepared = finish(prepared_for(place_of(spec.data, task=card_task(spec.task))))
    parts = load_parts(spec, world=World(device=device), prepared=prepared, start=start, build_task=build_task)
    parts.loaded.model.to(dtype)
    return parts


def make_run(
    spec: RunSpec,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float64,
    start: Path | None = None,
    device: torch.device = CPU,
) -> Run:
    """A run at step 0 or where a checkpoint left it, its model in `dtype`."""
    parts = make_parts(spec, dtype=dtype, start=start, device=device)
    return finish(assemble(parts, run_dir=RunDir(folder), start=start))


def make_bench(spec: RunSpec, folder: Path, *, build_task: BuildTask = build_any_task) -> Bench:
    """What `prove` holds its laws against."""
    spec = on_cpu(anchored(spec))
    prepared = finish(prepared_for(place_of(spec.data, task=card_task(spec.task))))
    folder.mkdir()
    return finish(open_bench(spec, prepared=prepared, folder=folder, build_task=build_task))


def weights(run_or_folder: Run | Path) -> dict[str, Tensor]:
    """A live model's weights as they are now, or a checkpoint's."""
    if isinstance(run_or_folder, Run):
        return {name: value.detach().clone() for name, value in run_or_folder.model.state_dict().items()}
    return load_file(run_or_folder / "model.safetensors")
