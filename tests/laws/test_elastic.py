"""A rank that dies costs a restart and no row; one that falls silent ends the others, with the reason on the screen."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from ftcli.tasks.base import Batch
from ftcli.tasks.classification import Classification
from tests.conftest import run_torchrun, spawn
from tests.laws.processes import launched
from tests.laws.tasks import build_as
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


@dataclass(frozen=True)
class Unwell(Classification):
    """Fails in the third step, on the rank it is built on."""

    steps: list[int] = field(default_factory=list)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        self.steps.append(1)
        if len(self.steps) == 6:
            raise ValueError("rank one is unwell")
        return Classification.loss(self, model, batch)


def build_unwell(*asked: Any) -> Unwell:
    return build_as(Unwell, *asked)


SCRIPT = """
import sys
from pathlib import Path
from ftcli.errors import FtcliError
from ftcli.flows.train import train
from ftcli.runtime.launch import launched_rank
from ftcli.spec.recipe import load_recipe
from ftcli.tasks.build import build_task as build_any_task
from tests.laws.test_elastic import build_unwell

build = build_unwell if launched_rank() == 1 else build_any_task
spec = load_recipe(Path("tiny.toml"), ["batch.accumulation=2"]).spec
try:
    for event in train(spec, run_dir="run", build_task=build):
        pass
except FtcliError as error:
    print(f"rank {launched_rank()}: {error.kind}: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.mark.slow
def test_rank_0_shows_the_error_of_the_rank_that_failed_first(project: Path) -> None:
    (project / "script.py").write_text(SCRIPT)
    done = run_torchrun("script.py", cwd=project)
    assert done.code == 1
    assert "rank 0: distributed: rank 1 has failed: rank one is unwell\n" in done.err
    first, second = ((project / f"run/errors/rank-{rank}.txt").read_text() for rank in (0, 1))
    assert first.splitlines()[1].startswith("lost contact: ")
    assert second.splitlines()[1] == "error: rank one is unwell"
    assert "ValueError: rank one is unwell" in second
    told = (project / "run/postmortem.md").read_text()
    assert "> rank 1 has failed: rank one is unwell" in told
    assert "| rank-1 | error: rank one is unwell |" in told


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
