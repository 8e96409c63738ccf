"""What the laws are held against: a recipe on its own data, a folder to work in, and one short run of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ftcli.data.dataset import Prepared
from ftcli.flows.laws.shaping import changed, shortened, without_noise
from ftcli.flows.laws.short_run import ShortRun, run_through
from ftcli.runtime.activity import Working
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.run import RunSpec
from ftcli.train.assemble import BuildTask, Parts, assemble, load_parts


@dataclass(frozen=True, slots=True)
class Bench:
    """A recipe to be held against the laws.

    `still` are the parts of a run without dropout or half precision. `short` is the recipe as a short run with dropout
    on, `last` that run's last step, and `whole` the run itself, done without a stop.
    """

    prepared: Prepared
    folder: Path
    build_task: BuildTask
    still: Parts
    short: RunSpec
    last: int
    whole: ShortRun

    @property
    def num_rows(self) -> int:
        """The rows of the training split."""
        return self.prepared.facts.splits["train"].rows


def open_bench(spec: RunSpec, *, prepared: Prepared, folder: Path, build_task: BuildTask) -> Working[Bench]:
    """Carry out the short run that several laws look at.

    Raises:
        FtcliError: whatever would stop the run itself.
    """
    # First, for it keeps the recipe's stages: an error about one of them is then shown at its own line.
    still = load_parts(without_noise(spec), world=World(), prepared=prepared, build_task=build_task)
    noisy = changed(spec, "model", dropout=0.1)
    short, last = shortened(noisy, num_rows=prepared.facts.splits["train"].rows)
    whole = changed(short, "train", stop_after=last)
    parts = load_parts(whole, world=World(), prepared=prepared, build_task=build_task)
    run = yield from assemble(parts, run_dir=RunDir(folder / "whole"))
    done = yield from run_through(run)
    return Bench(prepared, folder, build_task, still, short, last, done)
