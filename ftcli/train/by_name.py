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
from ftcli.runtime.arguments import Options
from ftcli.runtime.calling import FailingCodeError, call
from ftcli.spec.choices import TorchOptimizer, TorchSchedule
from ftcli.spec.nearest import did_you_mean, nearest
from ftcli.spec.torch_names import NO_OPTIMIZERS, NO_SCHEDULES
from ftcli.spec.wording import counted

_OPTIMIZER, _SCHEDULE = ("optimizer", "name"), ("schedule", "name")
_SCHEDULE_OPTIONS = ("schedule", "options")
_NO_SCHEDULE_OPTIONS = ("last_epoch",)
_LENGTHS = {"total_steps", "epochs", "steps_per_epoch"}


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
    kind = _named(lr_scheduler, lr_scheduler.LRScheduler, name, NO_SCHEDULES, key=_SCHEDULE)
    given, known = orjson.loads(options), Options.of(kind, num_given=1, named=_NO_SCHEDULE_OPTIONS)
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=1.0)
    group, found = optimizer.param_groups[0], list[float]()
    with warnings.catch_warnings(), _failing_within(name, steps, known, given):
        warnings.simplefilter("ignore")  # that its optimizer takes no step
        named = f"torch.optim.lr_scheduler:{name}"
        scheduler = call(
            named,
            optimizer,
            key=_SCHEDULE_OPTIONS,
            options_key=_SCHEDULE_OPTIONS,
            options=given,
            reserved=_NO_SCHEDULE_OPTIONS,
        )
        others = _others(group)
        for _ in range(steps):
            found.append(float(group["lr"]))
            scheduler.step()
    if _others(group) != others:
        what = f"`{name}` changes more than the learning rate"
        raise RecipeError(what, hint="schedule.options = { cycle_momentum = false }", key=_SCHEDULE_OPTIONS)
    if any(not math.isfinite(each) or each < 0 for each in found):
        what = f"`{name}` gives rates below zero, or without end, within {counted(steps, 'step')}"
        raise RecipeError(what, hint=known.hint, key=_SCHEDULE_OPTIONS)
    return tuple(found)


def _way_out(error: Exception, known: Options, given: dict[str, Any], steps: int) -> str | None:
    """What to do where a scheduler fails: give it the number of steps, if it lacks that, or look at its options."""
    is_short = not _LENGTHS.intersection(given) or "Tried to step" in str(error)
    if "total_steps" in known.free and is_short:
        return f"schedule.options.total_steps = {steps}, as many as the run has after its warm-up"
    zeros = [name for name, value in given.items() if type(value) in (int, float) and value == 0]
    wrong = [name for name in zeros if name in known.free and known.free[name].default != 0]
    return f"give {' or '.join(wrong)} another value than 0; {known.hint}" if wrong else known.hint


@contextmanager
def _failing_within(name: str, steps: int, known: Options, given: dict[str, Any]) -> Generator[None]:
    try:
        yield
    except FailingCodeError as error:
        raise RecipeError(str(error), hint=_way_out(error, known, given, steps), key=_SCHEDULE_OPTIONS) from error
    except FtcliError:
        raise
    except Exception as error:  # whatever a scheduler makes of options that it has taken
        what = f"`{name}` fails within {counted(steps, 'step')}: {type(error).__name__}: {error}"
        raise RecipeError(what, hint=_way_out(error, known, given, steps), key=_SCHEDULE_OPTIONS) from error


def _others(group: dict[str, Any]) -> str:
    return repr({key: value for key, value in group.items() if key not in {"params", "lr", "initial_lr"}})
