"""A rank that dies costs a restart and no row; one that falls silent ends the others, with the reason on the screen."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.conftest import spawn
from tests.laws.processes import launched
from tests.laws.test_resume import assert_same_bytes

SETTINGS = ("checkpoint.every=3", "evaluate.every=never", "train.epochs=4")
OPTIONS = [word for setting in SETTINGS for word in ("--set", setting)]
AGAIN = ("--max-restarts", "3")


def steps_of(run: Path) -> list[tuple[int, float, float]]:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [(r["step"], r["loss"], r["grad_norm"]) for r in records if r["event"] == "step_done"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A run of two ranks that nothing happens to."""
    from tests.conftest import make_project

    folder = make_project(tmp_path_factory.mktemp("whole"), model_folder)
    done = spawn("train", "tiny.toml", *OPTIONS, ranks=2, cwd=folder)
    assert done.code == 0, done.err
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_restarts_the_run_from_its_last_checkpoint_with_the_same_rows(
    project: Path, whole: Path, rank: int
) -> None:
    with launched("train", "tiny.toml", *OPTIONS, cwd=project, ranks=2, torchrun=AGAIN) as launch:
        launch.wait_for("step 10/")
        launch.signal_rank(rank, signal.SIGKILL)
        assert launch.finish() == 0, launch.said
    assert "resuming from step " in launch.said
    assert [step for step, _, _ in steps_of(project / "run")] == list(range(1, 25))
    assert steps_of(project / "run") == steps_of(whole)
    assert_same_bytes(project / "run", whole)


@pytest.mark.slow
def test_a_used_run_folder_is_refused_however_often_torchrun_tries(project: Path) -> None:
    assert spawn("train", "tiny.toml", "--set", "train.steps=1", cwd=project).code == 0
    before = (project / "run/recipe.toml").read_bytes()
    with launched("train", "tiny.toml", cwd=project, ranks=2, torchrun=("--max-restarts", "1")) as launch:
        assert launch.finish() == 1
    assert launch.said.count("error[usage]: the run folder run is not empty") == 2
    assert (project / "run/recipe.toml").read_bytes() == before


@pytest.mark.slow
def test_a_silent_rank_ends_the_others_in_bounded_time(project: Path) -> None:
    settings = [*OPTIONS, "--set", "distributed.timeout_seconds=4"]
    with launched("train", "tiny.toml", *settings, cwd=project, ranks=2) as launch:
        launch.wait_for("step 5/")
        launch.signal_rank(1, signal.SIGSTOP)
        launch.wait_for("error[distributed]: another process of this run is gone or silent")
        launch.wait_for("note: details: run/postmortem.md; go on with: ftcli resume run")
        launch.signal_rank(1, signal.SIGKILL)  # torchrun would do so after half a minute
        assert launch.finish() == 1
    assert "lost contact" in (project / "run/errors/rank-0.txt").read_text()
    assert "Last good checkpoint: run/checkpoints/step-000003." in (project / "run/postmortem.md").read_text()
    assert spawn("resume", "run", cwd=project).code == 0
    assert not (project / "run/postmortem.md").exists()
    assert not (project / "run/errors").exists()
