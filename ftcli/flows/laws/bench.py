"""What the laws are held against: a recipe on its own data, a folder to work in, and one short run of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ftcli.data.dataset import Prepared
from ftcli.flows.laws.shaping import changed, shortened
from ftcli.flows.laws.short_run import ShortRun, run_through
from ftcli.runtime.activity import Working
from ftcli.runtime.rundir import RunDir
from ftcli.runtime.world import World
from ftcli.spec.run import RunSpec
from ftcli.train.assemble import BuildTask, Parts, assemble, load_parts


@dataclass(frozen=True, slots=True)
class Bench:
    """A recipe to be held against the laws.

    `short` is the recipe as a short run with dropout on, `last` that run's last step, and `whole` the run itself, done
    without a stop.
    """

    spec: RunSpec
    prepared: Prepared
    folder: Path
    build_task: BuildTask
    short: RunSpec
    last: int
    whole: ShortRun

    @property
    def num_rows(self) -> int:
        """The rows of the training split."""
        return self.prepared.facts.splits["train"].rows

    def parts(self, spec: RunSpec) -> Parts:
        """The parts of a run of `spec` in this process alone."""
        return load_parts(spec, world=World(), prepared=self.prepared, build_task=self.build_task)


def open_bench(spec: RunSpec, *, prepared: Prepared, folder: Path, build_task: BuildTask) -> Working[Bench]:
    """Carry out the short run that several laws look at.

    Raises:
        FtcliError: whatever would stop the run itself.
    """
    load_parts(
        spec, world=World(), prepared=prepared, build_task=build_task
    )  # its errors are about the recipe as it is
    noisy = changed(spec, "model", dropout=0.1)
    short, last = shortened(noisy, num_rows=prepared.facts.splits["train"].rows)
    whole = changed(short, "train", stop_after=last)
    parts = load_parts(whole, world=World(), prepared=prepared, build_task=build_task)
    run = yield from assemble(parts, run_dir=RunDir(folder / "whole"))
    done = yield from run_through(run)
    return Bench(spec, prepared, folder, build_task, short, last, done)
