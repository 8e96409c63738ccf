"""Law 6: kill -9 at any instant leaves a folder from which resume continues exactly."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.laws.nursery import Nursery
from tests.laws.test_resume import STAGED, assert_same_bytes

KILLS = 50
SETTINGS = [
    word
    for setting in (*STAGED, "checkpoint.every=1", "checkpoint.keep=2", "evaluate.every=4")
    for word in ("--set", setting)
]


@pytest.mark.slow
def test_killed_at_50_random_instants_some_within_a_save_a_run_ends_with_the_same_bytes(project: Path) -> None:
    rng = random.Random(7)
    in_a_save = finished_before = 0
    with Nursery() as nursery:
        assert nursery.run("train", "tiny.toml", "--run-dir", "warm", *SETTINGS, cwd=project) == 0
        started = time.perf_counter()
        assert nursery.run("train", "tiny.toml", "--run-dir", "whole", *SETTINGS, cwd=project) == 0
        whole_seconds = time.perf_counter() - started
        for number in range(KILLS):
            run = project / f"killed-{number}"
            # From before the recipe is written to after the last step; most of the time, something is being saved.
            after = rng.uniform(0.02, 1.0) * whole_seconds
            ended = nursery.run(
                "train", "tiny.toml", "--run-dir", run.name, *SETTINGS, cwd=project, kill_after_seconds=after
            )
            assert ended in (-9, 0)
            finished_before += ended == 0
            in_a_save += any(run.glob("checkpoints/.step-*"))
            again = (
                ["resume", run.name]
                if (run / "recipe.toml").exists()
                else ["train", "tiny.toml", "--run-dir", run.name]
            )
            options = [] if again[0] == "resume" else SETTINGS
            assert nursery.run(*again, *options, cwd=project) == 0, (project / "out.txt").read_text()[-2000:]
            assert_same_bytes(run, project / "whole")
            assert not list(run.glob("checkpoints/.step-*"))
    assert finished_before <= KILLS // 3
    assert in_a_save >= 5, f"only {in_a_save} of {KILLS} kills fell into a save"
