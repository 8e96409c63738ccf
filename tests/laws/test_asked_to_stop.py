"""A first signal saves and stops, on all ranks alike; what goes on from there is what would have been."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ftcli.flows.data import place_for, prepared_for
from ftcli.flows.train import resume, train
from ftcli.runtime.activity import finish
from ftcli.runtime.locks import WAITING
from ftcli.train.events import RunFinished
from tests.laws.processes import launched
from tests.laws.rig import spec_of
from tests.laws.test_resume import assert_same_bytes

LONG = ("train.steps=400", "evaluate.every=never", "log.every=1")
OPTIONS = [word for setting in LONG for word in ("--set", setting)]


def last_step(run: Path) -> int:
    return json.loads((run / "last/manifest.json").read_text())["step"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 143)],
    ids=["TERM", "INT", "USR1"],
)
def test_a_signal_saves_and_stops_and_says_how_to_go_on(project: Path, number: int, code: int) -> None:
    with launched("train", "tiny.toml", *OPTIONS, cwd=project) as launch:
        launch.wait_for("step 7/")
        launch.process.send_signal(number)
        assert launch.finish() == code
    assert "resume with: ftcli resume run" in launch.said
    stopped = last_step(project / "run")
    assert 7 <= stopped < 400
    # Twenty steps on, it stands where a run stands that was never stopped.
    list(resume(project / "run", changes=["train.stop_after=20"]))
    spec = spec_of(project / "tiny.toml", *LONG, f"train.stop_after={stopped + 20}")
    list(train(spec, run_dir="whole"))
    assert_same_bytes(project / "run", project / "whole")


@pytest.mark.slow
def test_ctrl_c_before_the_first_step_says_what_is_left(project: Path) -> None:
    """Twice while it waits for another process, which this test says there is: to prepare, then to tokenise."""
    data = place_for(spec_of(project / "tiny.toml"))
    data.folder.parent.mkdir()
    with locked(data.folder.with_name(f".{data.folder.name}.lock")):
        assert interrupted(project) == ["stopped before the run began: run is as it was"]
    assert not (project / "run").exists()
    finish(prepared_for(data))
    with locked(data.folder / "dataset.json"):
        assert interrupted(project) == ["stopped at once; go on with: ftcli resume run"]
    events = list(resume(project / "run", changes=["train.stop_after=1"]))
    assert isinstance(events[-1], RunFinished)
    shutil.rmtree(data.folder)
    with locked(data.folder.with_name(f".{data.folder.name}.lock")):
        stopped = ["stopped before the run began: run is as it was"]
        assert interrupted(project, "resume", "run", "--set", "train.epochs=3.0") == stopped


@contextmanager
def locked(path: Path) -> Generator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def interrupted(project: Path, *command: str) -> list[str]:
    """What a command says last that is interrupted while it waits."""
    with launched(*(command or ("train", "tiny.toml")), cwd=project) as launch:
        launch.wait_for(WAITING.name)
        launch.process.send_signal(signal.SIGINT)
        assert launch.finish() == 130, launch.said
    lines = launch.said.splitlines()
    return [line for line in lines[lines.index(WAITING.name) :] if line != WAITING.name]


@pytest.mark.slow
def test_a_signal_to_one_rank_alone_stops_both_after_the_same_step(project: Path) -> None:
    with launched("train", "tiny.toml", *OPTIONS, cwd=project, ranks=2) as launch:
        launch.wait_for("step 7/")
        launch.signal_rank(1, signal.SIGUSR1)
        assert launch.finish() == 1  # torchrun's own code where a worker ends with another than 0
    assert "stopped by a signal" in launch.said
    assert "exitcode  : 143" in launch.said
    assert "error[" not in launch.said
    manifest = json.loads((project / "run/last/manifest.json").read_text())
    assert manifest["world_size"] == 2
    assert manifest["step"] >= 7
    assert not (project / "run/errors").exists()


@pytest.mark.slow
def test_where_torchrun_would_start_them_again_a_stop_that_was_agreed_ends_with_0(project: Path) -> None:
    again = ("--max-restarts", "3")
    with launched("train", "tiny.toml", *OPTIONS, cwd=project, ranks=2, torchrun=again) as launch:
        launch.wait_for("step 7/")
        launch.signal_rank(0, signal.SIGTERM)
        assert launch.finish() == 0
    assert launch.said.count("stopped by a signal") == 1
    assert last_step(project / "run") < 400


@pytest.mark.slow
def test_torchrun_passes_its_own_sigterm_on_and_the_run_is_saved(project: Path) -> None:
    with launched("train", "tiny.toml", *OPTIONS, cwd=project, ranks=2) as launch:
        launch.wait_for("step 7/")
        launch.process.send_signal(signal.SIGTERM)
        assert launch.finish() != 0
    assert 7 <= last_step(project / "run") < 400
