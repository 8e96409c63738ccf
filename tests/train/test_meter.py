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
    spent = 0.0
    for event in fit(run):
        if isinstance(event, Evaluated) and event.step == 6:
            started, spent = time.perf_counter(), 30 * epochs[0].seconds
            while time.perf_counter() < started + spent:
                pass
        if isinstance(event, EpochDone):
            epochs.append(event)
    assert [event.epoch for event in epochs] == [1, 2]
    assert run.progress.seconds - sum(event.seconds for event in epochs) >= spent > 0
