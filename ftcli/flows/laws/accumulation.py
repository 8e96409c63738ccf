"""Law 1: however a step is cut into micro-batches, its gradient and its loss are the same to rounding.

The same group of rows is passed through the same weights uncut, in a few micro-batches, and row by row, by the very
function that training accumulates with. Dropout is off, and everything that the recipe ever trains has a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ftcli.data.plan import EpochPlan
from ftcli.flows.laws.bench import Bench
from ftcli.flows.laws.check import Check, to_rounding, unchecked
from ftcli.flows.laws.measure import BOUNDS, DTYPES, Named, gradients, largest, relative_distance
from ftcli.flows.laws.shaping import changed
from ftcli.modeling.freezing import Stage, apply_stage
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.rundir import RunDir
from ftcli.spec.wording import counted
from ftcli.train.assemble import Parts, assemble, tokens_of
from ftcli.train.run import Run
from ftcli.train.step import accumulate

Cutting = dict[str, Any]
"""How a step is cut, as in the recipe's [batch]: one of micro_size, max_tokens and accumulation."""

_UNCUT: Cutting = {"micro_size": "auto", "max_tokens": "off", "accumulation": "off"}
_FEW: Cutting = {"accumulation": 4}
WHOLE: Cutting = {"accumulation": 1}
"""A step as one micro-batch, however many sequences its rows have."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One group of rows cut in several ways: micro-batches of each, and the largest distances from the uncut group."""

    num_rows: int
    num_batches: tuple[int, ...]
    gradient: float
    loss: float


def check(bench: Bench) -> Working[list[Check]]:
    """Compare a full group, and the short last one of an epoch if there is one."""
    parts = bench.still
    train_all(parts)
    cuts = (_own_cut(parts), {"micro_size": 1})
    checks: list[Check] = []
    for name, step in (yield from compared_steps(parts)).items():
        found: dict[torch.dtype, Comparison] = {}
        for dtype in DTYPES:
            parts.loaded.model.to(dtype)
            found[dtype] = yield from compare(parts, bench.folder, step=step, cuts=cuts)
        checks += _checks(name, found)
    return checks


def _checks(name: str, found: dict[torch.dtype, Comparison]) -> list[Check]:
    seen = found[torch.float64]
    if max(seen.num_batches) == 1:
        return [unchecked("accumulation", f"gradient of {name}", "a step of one row can't be cut")]
    ways = sorted({1, *seen.num_batches})
    note = f"in {', '.join(map(str, ways[:-1]))} and {ways[-1]} micro-batches"
    bound = BOUNDS[torch.float32]
    gradient = {dtype: each.gradient for dtype, each in found.items()}
    loss = {dtype: each.loss for dtype, each in found.items()}
    return [
        to_rounding("accumulation", f"gradient of {name}", gradient, bound_fp32=bound, note=note),
        to_rounding("accumulation", f"loss of {name}", loss, bound_fp32=bound),
    ]


def train_all(parts: Parts) -> None:
    """Make everything trainable that is trained in any stage."""
    trained = frozenset[str]().union(*(stage.trainable for stage in parts.freezing.stages))
    apply_stage(parts.loaded.model, Stage(0, trained, "all stages"))


def compared_steps(parts: Parts) -> Working[dict[str, int]]:
    """The first full group of the first epoch and its short one, in words, each with its step."""
    split, batch = (yield from tokens_of(parts)).splits["train"], parts.spec.batch
    plan = EpochPlan.of(split.row_lengths, batch, seed=parts.spec.run.seed, epoch=0)
    sizes = [min(batch.size, split.num_rows - group * batch.size) for group in range(len(plan))]
    steps: dict[str, int] = {}
    if sizes[0] == batch.size:
        full = next(group for group in range(len(plan)) if len(plan.rows(group)) == batch.size)
        steps[counted(batch.size)] = full
    if sizes[-1] < batch.size:  # with a window, the short group may come before the last
        short = next(group for group in reversed(range(len(plan))) if len(plan.rows(group)) < batch.size)
        steps[f"the last {counted(sizes[-1])}"] = short
    return steps


def _own_cut(parts: Parts) -> Cutting:
    """The recipe's cut where it is one, otherwise a few micro-batches."""
    batch = parts.spec.batch
    own = {name: getattr(batch, name) for name in _UNCUT if getattr(batch, name) not in ("auto", "off", batch.size)}
    return _FEW if own in ({}, {"accumulation": 1}) else own


def compare(parts: Parts, folder: Path, *, step: int, cuts: Sequence[Cutting]) -> Working[Comparison]:
    """Cut the group of a step in several ways, and compare each with the group uncut, in the weights' arithmetic.

    Args:
        parts: Of a run without dropout; its weights stay as they are.
        folder: Where the run would be, were it one.
        step: The step whose group is cut, from 0.
        cuts: The ways of cutting it.
    """
    expected, expected_loss = gradient_of((yield from cut_run(parts, folder, WHOLE)), step)
    distances, losses = [0.0], [0.0]
    batches: list[int] = []
    rows = 0
    for number, cut in enumerate(cuts, start=1):
        run = yield from cut_run(parts, folder, cut)
        group = run.feed.group(step)
        found, loss = gradient_of(run, step)
        distances.append(relative_distance(found, expected))
        losses.append(abs(loss - expected_loss) / abs(expected_loss) if loss != expected_loss else 0.0)
        batches.append(len(group.batches))
        rows = group.num_rows
        yield Activity("accumulation", number, len(cuts), "steps")
    return Comparison(rows, tuple(batches), largest(distances), largest(losses))


def cut_run(parts: Parts, folder: Path, cut: Cutting) -> Working[Run]:
    """A run at step 0 that cuts its steps in one way, on the parts' own model."""
    spec = changed(parts.spec, "batch", **{**_UNCUT, **cut})
    return (yield from assemble(replace(parts, spec=spec), run_dir=RunDir(folder)))


def gradient_of(run: Run, step: int) -> tuple[Named, float]:
    """The gradient of a step as the loop accumulates it, and the step's mean loss; the weights stay."""
    group = run.feed.group(step)
    run.model.zero_grad(set_to_none=True)
    total = accumulate(run, group)
    found = gradients(run.model)
    run.model.zero_grad(set_to_none=True)
    return found, float(total) / group.num_items
