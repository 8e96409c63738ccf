"""Freezing by regex: which parameters are trained from which step on.

Frozen means frozen: no gradient, no optimizer state, no weight decay, and no dropout in a module that is frozen as a
whole. Every pattern must match something; one that does not is an error that names the nearest parameters.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ftcli.errors import Problem, RecipeError
from ftcli.spec.sections import FreezeSection, StagePoint
from ftcli.spec.wording import counted, verb


@dataclass(frozen=True, slots=True)
class Stage:
    """A span of steps with one set of trainable parameters; it lasts until the next one begins."""

    start: int
    trainable: frozenset[str]
    description: str


@dataclass(frozen=True, slots=True)
class FreezePlan:
    """The stages of a run in order; the first begins at step 0. `warnings` are sentences for the user."""

    stages: tuple[Stage, ...]
    warnings: tuple[str, ...] = ()

    def stage_at(self, step: int) -> int:
        """The number of the stage that `step` (counted from 0) belongs to."""
        return max(number for number, stage in enumerate(self.stages) if stage.start <= step)

    def end_of(self, stage: int, *, total_steps: int) -> int:
        """The step (counted from 0) by which a stage is over."""
        return min([total_steps, *(later.start for later in self.stages[stage + 1 :])])

    def first_step(self, name: str) -> int | None:
        """The step from which a parameter is trained; None if it never is."""
        return next((stage.start for stage in self.stages if name in stage.trainable), None)


def plan_freezing(
    section: FreezeSection, names: Sequence[str], *, total_steps: int, steps_per_epoch: int
) -> FreezePlan:
    """Resolve patterns against the model's parameter names, and stages to steps.

    Raises:
        RecipeError: a pattern matches nothing, or a stage leaves nothing to train.
    """
    problems = _unmatched(section, names)
    if problems:
        raise RecipeError(problems)
    trainable = frozenset(name for name in names if not _matches(section.patterns, name))
    stages = [Stage(0, trainable, _counted(trainable, names))]
    warnings: list[str] = []
    starts = [
        stage_start(stage.at, total_steps=total_steps, steps_per_epoch=steps_per_epoch) for stage in section.stages
    ]
    for start, stage in sorted(zip(starts, section.stages, strict=True), key=lambda pair: pair[0]):
        opened = {name for name in names if _matches(stage.unfreeze, name)}
        closed = {name for name in names if _matches(stage.freeze, name)}
        trainable = (trainable | opened) - closed
        verbs = [f"unfreezes {' '.join(stage.unfreeze)}"] * bool(opened) + [f"freezes {' '.join(stage.freeze)}"] * bool(
            closed
        )
        if start >= total_steps:
            warnings.append(
                f"a stage begins at step {start}, beyond the run's {counted(total_steps, 'step')}, and is never reached"
            )
        if start == 0:
            stages[-1] = Stage(0, trainable, _counted(trainable, names))
        else:
            stages.append(Stage(start, trainable, f"{' and '.join(verbs)}; {_counted(trainable, names)}"))
    for stage in stages:
        if not stage.trainable:
            raise RecipeError(
                f"nothing is left to train from step {stage.start} on",
                key=("freeze", "stages" if stage.start else "patterns"),
            )
    return FreezePlan(tuple(stages), tuple(warnings))


def _counted(trainable: frozenset[str], names: Sequence[str]) -> str:
    return f"{len(trainable)} of {counted(len(names), 'tensor')} {verb(len(trainable), 'is', 'are')} trained"


def stage_start(point: StagePoint, *, total_steps: int, steps_per_epoch: int) -> int:
    """The step (counted from 0) that a stage begins at."""
    if point.step is not None:
        return point.step
    if point.epoch is not None:
        return round(point.epoch * steps_per_epoch)
    return round((point.fraction or 0) * total_steps)


def _matches(patterns: Sequence[str], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def _unmatched(section: FreezeSection, names: Sequence[str]) -> list[Problem]:
    found: list[Problem] = []
    for index, pattern in enumerate(section.patterns):
        found += check_pattern(pattern, names, key=("freeze", "patterns", index))
    for number, stage in enumerate(section.stages):
        for field, patterns in (("unfreeze", stage.unfreeze), ("freeze", stage.freeze)):
            for index, pattern in enumerate(patterns):
                found += check_pattern(pattern, names, key=("freeze", "stages", number, field, index))
    return found


def check_pattern(pattern: str, names: Sequence[str], *, key: tuple[str | int, ...]) -> list[Problem]:
    """No problem if the pattern matches a name, else one that names the nearest parameters."""
    if any(re.search(pattern, name) for name in names):
        return []
    near = nearest_names(pattern, names)
    return [
        Problem(f"`{pattern}` matches none of the {len(names)} parameters", hint=f"nearest: {', '.join(near)}", key=key)
    ]


def nearest_names(pattern: str, names: Sequence[str], count: int = 3) -> list[str]:
    """The parameter names that look most like what the pattern spells, without its regex marks."""
    plain = re.sub(r"\\(.)", r"\1", re.sub(r"[\^$()|*+?]|\[[^\]]*\]", "", pattern))
    stems = {name[: len(plain) + 4] if len(plain) < len(name) else name: name for name in reversed(names)}
    ranked = sorted(stems, key=lambda stem: -difflib.SequenceMatcher(None, plain, stem).ratio())
    return [stems[stem] for stem in ranked[:count]]


def apply_stage(model: nn.Module, stage: Stage) -> None:
    """Make exactly the stage's parameters trainable and drop the gradients of all others."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in stage.trainable)
        if name not in stage.trainable:
            parameter.grad = None


def frozen_modules(model: nn.Module) -> list[nn.Module]:
    """The topmost modules that are frozen as a whole: they run in eval mode (no dropout, no running statistics)."""
    found: list[nn.Module] = []
    for child in model.children():
        parameters = list(child.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            found.append(child)
        else:
            found += frozen_modules(child)
    return found


def set_training_mode(model: nn.Module, frozen: Sequence[nn.Module]) -> None:
    """Training mode for all of a model but what is frozen as a whole (as `frozen_modules` finds it)."""
    model.train()
    for module in frozen:
        module.eval()
