"""A run of a few steps, watched: the bytes of every parameter wherever a stage begins, and at the end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ftcli.flows.laws.measure import raw
from ftcli.runtime.activity import Activity, Working
from ftcli.train.events import StageEntered, StepDone
from ftcli.train.loop import fit
from ftcli.train.run import Run

Prints = dict[str, str]
"""The SHA-256 of each parameter's bytes, by name."""


@dataclass(frozen=True, slots=True)
class ShortRun:
    """A run that is done; `prints` holds one for the beginning of each stage, and one for the end."""

    run: Run
    prints: list[Prints]

    @property
    def checkpoint(self) -> Path:
        """The run's last checkpoint."""
        return self.run.run_dir.last.resolve()


def run_through(run: Run) -> Working[ShortRun]:
    """Drive a run to where it stops, and take its prints."""
    prints: list[Prints] = []
    for event in fit(run):
        if isinstance(event, StageEntered):
            prints.append(prints_of(run.model))
        elif isinstance(event, StepDone):
            yield Activity("short run", event.step, run.limits.stop_step, "steps")
        elif isinstance(event, Activity):
            yield event
    return ShortRun(run, [*prints, prints_of(run.model)])


def prints_of(model: nn.Module) -> Prints:
    """The prints of a model's parameters as they are now."""
    return {name: hashlib.sha256(raw(p).numpy().tobytes()).hexdigest() for name, p in model.named_parameters()}
