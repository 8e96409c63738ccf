"""The times of an epoch."""

from __future__ import annotations

import time
from pathlib import Path

from ftcli.train.events import EpochDone, Evaluated
from ftcli.train.loop import fit
from tests.laws.rig import make_run, spec_of


def test_an_epochs_time_leaves_out_what_the_screen_and_evaluations_take(project: Path) -> None:
    """Whoever is shown the evaluation of the first epoch takes longer than all of the training."""
    run = make_run(spec_of(project / "tiny.toml"), project / "run")
    epochs: list[EpochDone] = []
    for event in fit(run):
        if isinstance(event, Evaluated) and event.step == 6:
            until = time.perf_counter() + 30 * epochs[0].seconds
            while time.perf_counter() < until:
                pass
        if isinstance(event, EpochDone):
            epochs.append(event)
    assert [event.epoch for event in epochs] == [1, 2]
    assert epochs[1].seconds < 10 * epochs[0].seconds
    assert run.progress.seconds > 30 * epochs[0].seconds
