"""Law 3: a run that is stopped and resumed ends with the bits of the one that was not, dropout on.

The short run of the recipe, with its own optimizer, schedule and precision, goes through `train`, a stop after its
first step and one after the second, and `resume`; what lies on disk at the end is held against the run without a stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from ftcli.flows.laws.bench import Bench
from ftcli.flows.laws.check import Check, exact
from ftcli.flows.laws.measure import raw
from ftcli.flows.laws.shaping import changed
from ftcli.flows.train import Events, resume, train
from ftcli.modeling.backbone import WEIGHTS
from ftcli.runtime.activity import Activity, Working
from ftcli.runtime.rundir import RunDir
from ftcli.spec.run import RunSpec
from ftcli.spec.wording import counted
from ftcli.tasks.build import build_task as build_any_task
from ftcli.train.assemble import BuildTask
from ftcli.train.events import StepDone
from ftcli.train.snapshot import OPTIMIZER, SCALER


def check(bench: Bench) -> Working[list[Check]]:
    """Stop after the first step and after the second, then go on to the end of the short run."""
    folder = bench.folder / "stopped"
    legs = (1, 1, bench.last - 2)
    yield from in_legs(bench.short, folder, legs=legs, build_task=bench.build_task)
    wrong = differing(RunDir(folder).last, bench.whole.checkpoint)
    note = f"{counted(bench.last, 'step')}, stopped after 1 and 2"
    return [exact("resume", "tensors that differ", wrong, note=note)]


def in_legs(
    spec: RunSpec, folder: Path, *, legs: Sequence[int], build_task: BuildTask = build_any_task
) -> Working[None]:
    """Train into `folder`, stopping after each so many steps: through `train` first, through `resume` from then on."""
    first, *others = legs
    launches = [train(changed(spec, "train", stop_after=first), run_dir=str(folder), build_task=build_task)]
    launches += [resume(folder, changes=[f"train.stop_after={more}"], build_task=build_task) for more in others]
    for launch in launches:
        yield from _activities(launch, total=sum(legs))


def _activities(events: Events, *, total: int) -> Working[None]:
    for event in events:
        if isinstance(event, StepDone):
            yield Activity("stop and resume", event.step, total, "steps")


def differing(checkpoint: Path, other: Path) -> list[str]:
    """The tensors of weights and optimizer that are not equal to the bit in two checkpoints, by name."""
    names = [name for file in (WEIGHTS, OPTIMIZER) for name in _differing_in(checkpoint / file, other / file)]
    same_scaler = (checkpoint / SCALER).read_bytes() == (other / SCALER).read_bytes()
    return names if same_scaler else [*names, SCALER]


def _differing_in(file: Path, other: Path) -> list[str]:
    left, right = load_file(file), load_file(other)
    both = left.keys() & right.keys()
    return sorted(
        (left.keys() ^ right.keys()) | {name for name in both if not torch.equal(raw(left[name]), raw(right[name]))}
    )
