"""What has happened in a run, and when things are due. Plain values only; everything else is a function of them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ftcli.spec.sections import Cadence, EpochCadence


@dataclass
class Progress:
    """What has happened. The position in the data is `step` too: divmod(step, steps_per_epoch).

    `epoch_loss`, `epoch_items` and `epoch_seconds` sum up the current epoch: the loss over the items trained on, and
    time. `best` is the value of the recipe's `evaluate.best` at `best_step`, `num_worse` counts the evaluations since;
    `metrics` are those of the latest evaluation of the validation split. `owes_evaluation` tells that a signal cut
    short the one due after `step`, which the resumed run makes up for. `micro_tokens` is what running out of memory has
    brought the tokens of a micro-batch down to; a resumed run makes the same cuts. `cached` are the splits whose frozen
    states are stored in this stage, and `compiled` is whether its steps are compiled; both are None before that is
    decided.
    """

    step: int = 0
    stage: int = -1
    rows: int = 0
    epoch_loss: float = 0.0
    epoch_items: float = 0.0
    best: float | None = None
    best_step: int | None = None
    num_worse: int = 0
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    owes_evaluation: bool = False
    num_overflows: int = 0
    micro_tokens: int | None = None
    cached: list[str] | None = None
    compiled: bool | None = None
    seconds: float = 0.0
    epoch_seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values."""
        return dataclasses.asdict(self)

    def record_score(self, value: float, *, better: str) -> bool:
        """Take note of an evaluation; True if it is the best so far. The earlier of two equals stays the best.

        `better` says which values are: "higher" or "lower".
        """
        if self.best is not None and (value >= self.best if better == "lower" else value <= self.best):
            self.num_worse += 1
            return False
        self.best, self.best_step, self.num_worse = value, self.step, 0
        return True


@dataclass(frozen=True, slots=True)
class Due:
    """When something happens, in steps. `period` may be a fraction of a step count; None is never.

    Nothing is due before `first` steps are done.
    """

    period: float | None
    first: int = 0

    def _times(self, step: int) -> int:
        """The multiples of the period that `step` steps have reached, those before the first included."""
        return 0 if self.period is None else int(step / self.period + 1e-9)

    def after(self, step: int) -> bool:
        """Whether it is due once `step` steps are done: a multiple of the period was reached in the last of them."""
        return step >= max(1, self.first) and self._times(step) > self._times(step - 1)

    def times_between(self, start: int, stop: int) -> int:
        """How often it is due after the steps behind `start` up to `stop`."""
        return max(0, self._times(stop) - self._times(max(start, self.first - 1)))

    def at_least(self, times: int | Literal["off"], *, of: int) -> Due:
        """The same, or often enough to be due so many times in a run `of` so many steps; at most after every step."""
        if times == "off" or self.times_between(0, of) >= times:
            return self
        often = (replace(self, period=of / parts) for parts in range(times, of + 1))
        return next((due for due in often if due.times_between(0, of) >= times), replace(self, period=1.0))

    def falls_within(self, steps: int) -> bool:
        """Whether it is due at all in so many steps."""
        return self.times_between(0, steps) > 0


def due_every(cadence: Cadence, steps_per_epoch: int, *, delay: int | EpochCadence | Literal["off"] = "off") -> Due:
    """A cadence in steps, and what is waited for before the first."""
    first = 0 if delay == "off" else math.ceil(_in_steps(delay, steps_per_epoch) - 1e-9)
    return Due(None if cadence == "never" else max(1.0, _in_steps(cadence, steps_per_epoch)), first)


def _in_steps(span: int | EpochCadence, steps_per_epoch: int) -> float:
    return span.epochs * steps_per_epoch if isinstance(span, EpochCadence) else float(span)


@dataclass(frozen=True, slots=True)
class Limits:
    """A run's length and cadences, in steps. `stop_step` is where this invocation stops at the latest."""

    total_steps: int
    steps_per_epoch: int
    stop_step: int
    log: Due
    evaluate: Due
    save: Due

    def epoch_ends(self, step: int) -> bool:
        """Whether an epoch ends with this step."""
        return step % self.steps_per_epoch == 0

    def epoch_at(self, step: int) -> float:
        """Epochs done after a step, as a fraction."""
        return step / self.steps_per_epoch
