"""Learning-rate schedules as pure functions of the step: there is nothing to save and nothing to replay.

`multiplier(schedule, step, total_steps)` is what a rate is multiplied by in the step with that number, from 0. Warm-up
climbs in equal parts from above zero to 1; the decay then reaches its end just after the last step, so that no step is
spent at a rate of zero.
"""

from __future__ import annotations

import math

from ftcli.errors import RecipeError
from ftcli.spec.choices import Constant, Cosine, Linear, Polynomial, ScheduleChoice, TorchSchedule
from ftcli.spec.wording import counted
from ftcli.train.by_name import factors


def warmup_steps(schedule: ScheduleChoice, total_steps: int) -> int:
    """Warm-up in steps: below 1 it is a fraction of the run.

    Raises:
        RecipeError: the warm-up is longer than the run.
    """
    steps = round(schedule.warmup * total_steps) if schedule.warmup < 1 else round(schedule.warmup)
    if steps > total_steps:
        what = f"the warm-up of {counted(steps, 'step')} is longer than the run's {counted(total_steps, 'step')}"
        raise RecipeError(what, hint="below 1, it is a fraction of the run", key=("schedule", "warmup"))
    return steps


def multiplier(schedule: ScheduleChoice, step: int, total_steps: int) -> float:
    """The factor on every rate in a step."""
    warmup = warmup_steps(schedule, total_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    left = 1 - (step - warmup) / max(1, total_steps - warmup)
    match schedule:
        case Constant():
            return 1.0
        case Linear():
            return left
        case Cosine():
            return 0.5 * (1 - math.cos(math.pi * left))
        case Polynomial():
            return schedule.end + (1 - schedule.end) * left**schedule.power
        case TorchSchedule():
            return factors(schedule, total_steps - warmup)[step - warmup]
