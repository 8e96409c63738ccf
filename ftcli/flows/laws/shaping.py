"""The user's recipe, changed as little as a check needs: on the CPU, a few steps, without dropout."""

from __future__ import annotations

from typing import Any

from ftcli.data.plan import steps_per_epoch
from ftcli.modeling.freezing import stage_start
from ftcli.spec.choices import SGD, Constant
from ftcli.spec.run import RunSpec
from ftcli.spec.sections import FreezeStage, StagePoint

LEAST_STEPS = 4
STEADY_RATE = 0.05
"""SGD's rate where weights are compared: large enough that a wrong gradient shows in them."""


def changed(spec: RunSpec, section: str, **values: Any) -> RunSpec:
    """The spec with some values of one section changed."""
    return spec.model_copy(update={section: getattr(spec, section).model_copy(update=values)})


def on_cpu(spec: RunSpec) -> RunSpec:
    """The spec for the CPU and its own kernels, of which alone equal bits can be asked."""
    spec = changed(changed(spec, "run", device="cpu"), "distributed", backend="gloo")
    return changed(spec, "train", compile=False)


def without_noise(spec: RunSpec) -> RunSpec:
    """The spec without dropout, in the weights' own arithmetic; R-Drop, which then adds nothing, goes with it."""
    still = changed(changed(spec, "model", dropout=0.0), "precision", kind="fp32")
    return changed(still, "task", r_drop="off") if getattr(still.task, "r_drop", "off") != "off" else still


def with_plain_sgd(spec: RunSpec) -> RunSpec:
    """The spec with SGD at one steady rate: every step moves the weights by just its (clipped) gradient."""
    optimizer = SGD(lr=STEADY_RATE, weight_decay=0.0)
    return spec.model_copy(update={"optimizer": optimizer, "schedule": Constant()})


def shortened(spec: RunSpec, *, num_rows: int, start: int = 0) -> tuple[RunSpec, int]:
    """A short run of a recipe, and its last step.

    The recipe's freezing stages begin one a step, the first of them in the second step, so that the run passes every
    border. It stops one step before its end, where `train` would predict the whole test split.

    Args:
        spec: The recipe.
        num_rows: Rows of the training split.
        start: The step that the run will begin at.
    """
    stages = _reached_stages(spec, num_rows)
    moved = tuple(
        stage if stage_begin == 0 else stage.model_copy(update={"at": StagePoint(step=start + number)})
        for number, (stage_begin, stage) in enumerate(stages, start=1)
    )
    last = start + max(LEAST_STEPS, len(stages) + 2)
    short = changed(spec, "freeze", stages=moved)
    short = changed(short, "train", steps=last + 1, stop_after="never")
    short = changed(short, "schedule", warmup=min(short.schedule.warmup, 0.5))
    short = changed(short, "evaluate", every="never", at_start=False)
    short = changed(short, "checkpoint", every="never", keep=1)
    return changed(short, "log", every=1, report=False, tensorboard=False), last


def _reached_stages(spec: RunSpec, num_rows: int) -> list[tuple[int, FreezeStage]]:
    """The stages that the whole run comes to, in order, each with the step it begins at."""
    per_epoch = steps_per_epoch(num_rows, spec.batch)
    total = spec.train.steps if spec.train.steps != "off" else max(1, round(spec.train.epochs * per_epoch))
    starts = [stage_start(stage.at, total_steps=total, steps_per_epoch=per_epoch) for stage in spec.freeze.stages]
    ordered = sorted(zip(starts, spec.freeze.stages, strict=True), key=lambda pair: pair[0])
    return [(start, stage) for start, stage in ordered if start < total]
