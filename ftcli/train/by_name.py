"""Optimizers and schedulers of torch that a recipe calls by name: those that fit the loop, and why others don't."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import orjson
import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from ftcli.errors import FtcliError, RecipeError
from ftcli.runtime.calling import call
from ftcli.spec.choices import TorchOptimizer, TorchSchedule
from ftcli.spec.nearest import did_you_mean, nearest
from ftcli.spec.torch_names import NO_OPTIMIZERS, NO_SCHEDULES
from ftcli.spec.wording import counted

_OPTIMIZER, _SCHEDULE = ("optimizer", "name"), ("schedule", "name")


def check_takes_steps(choice: TorchOptimizer) -> None:
    """Make sure that an optimizer takes its step from gradients alone, and decays weights where it is to.

    Raises:
        RecipeError: there is none of that name, or it does not.
    """
    found = _named(torch.optim, Optimizer, choice.name, NO_OPTIMIZERS, key=_OPTIMIZER)
    if "weight_decay" in choice.options:
        what = "`weight_decay` among `optimizer.options` would come to nothing: every group of parameters has its own"
        hint = f"optimizer.weight_decay = {choice.options['weight_decay']}"
        raise RecipeError(what, hint=hint, key=("optimizer", "options", "weight_decay"))
    if "weight_decay" not in inspect.signature(found).parameters and choice.weight_decay > 0:
        what = f"torch.optim.{choice.name} has no weight decay, and `optimizer.weight_decay` is {choice.weight_decay:g}"
        raise RecipeError(what, hint="optimizer.weight_decay = 0", key=("optimizer", "weight_decay"))


def _named(module: object, kind: type, name: str, refused: dict[str, str], *, key: tuple[str, ...]) -> Any:
    classes = _classes(module, kind)
    known = sorted(each for each in classes if each not in refused)
    there_are = f"there are {', '.join(known)}"
    if name in refused:
        raise RecipeError(f"`{name}` can't be used here: {refused[name]}", hint=there_are, key=key)
    near = nearest(name, known)
    hint = did_you_mean(near) if near else there_are
    if name not in known:
        raise _of_the_other_table(name, key) or RecipeError(f"torch has no `{name}`", hint=hint, key=key)
    return classes[name]


def _classes(module: object, kind: type) -> dict[str, type]:
    found = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    return {name: value for name, value in found.items() if issubclass(value, kind) and value is not kind}


def _of_the_other_table(name: str, key: tuple[str, ...]) -> RecipeError | None:
    """What to say where a scheduler stands for an optimizer, or the other way round."""
    if key == _OPTIMIZER:
        what, other, refused = "a scheduler, not an optimizer", "schedule", NO_SCHEDULES
        there = _classes(lr_scheduler, lr_scheduler.LRScheduler)
    else:
        what, other, refused = "an optimizer, not a scheduler", "optimizer", NO_OPTIMIZERS
        there = _classes(torch.optim, Optimizer)
    if name not in there:
        return None
    hint = f'{other} = {{ kind = "torch", name = "{name}" }}'
    if name in refused:
        hint = f"its place is `{other}.name`, but it can't be used there: {refused[name]}"
    return RecipeError(f"`{name}` is {what}", hint=hint, key=key)


def factors(schedule: TorchSchedule, steps: int) -> tuple[float, ...]:
    """What a scheduler multiplies a rate by in each of so many steps.

    It is run over a parameter whose rate is 1, so rates among its options are fractions of the peak.

    Raises:
        RecipeError: there is none of that name, its options are wrong, or it does more than set the rate by the step.
    """
    return _factors(schedule.name, orjson.dumps(schedule.options), steps)


@lru_cache(maxsize=4)
def _factors(name: str, options: bytes, steps: int) -> tuple[float, ...]:
    _named(lr_scheduler, lr_scheduler.LRScheduler, name, NO_SCHEDULES, key=_SCHEDULE)
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    named, options_key = f"torch.optim.lr_scheduler:{name}", ("schedule", "options")
    group, found = optimizer.param_groups[0], list[float]()
    with warnings.catch_warnings(), _failing_within(name, steps):
        warnings.simplefilter("ignore")  # that its optimizer takes no step
        scheduler = call(named, optimizer, key=options_key, options_key=options_key, options=orjson.loads(options))
        others = _others(group)
        for _ in range(steps):
            found.append(float(group["lr"]))
            scheduler.step()
    if _others(group) != others:
        what = f"`{name}` changes more than the learning rate"
        raise RecipeError(what, hint="schedule.options = { cycle_momentum = false }", key=options_key)
    if any(not math.isfinite(each) or each < 0 for each in found):
        raise RecipeError(f"`{name}` gives rates below zero, or none, within {steps} steps", key=options_key)
    return tuple(found)


@contextmanager
def _failing_within(name: str, steps: int) -> Generator[None]:
    try:
        yield
    except FtcliError:
        raise
    except Exception as error:  # whatever a scheduler makes of options that it has taken
        what = f"`{name}` fails within {counted(steps, 'step')}: {type(error).__name__}: {error}"
        raise RecipeError(what, key=("schedule", "options")) from error


def _others(group: dict[str, Any]) -> str:
    return repr({key: value for key, value in group.items() if key not in {"params", "lr", "initial_lr"}})
