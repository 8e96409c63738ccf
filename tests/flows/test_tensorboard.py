"""A run's numbers for TensorBoard: those of the log, each step once, also across a resume."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ftcli.runtime.journal import Journal
from tests.cli.errors import recipe, refused
from tests.conftest import Ftcli

Curve = list[tuple[int, float]]


def curves(folder: Path) -> dict[str, Curve]:
    board = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in board.Scalars(tag)] for tag in board.Tags()["scalars"]}


def logged(event: str, *keys: str) -> Curve:
    found: Curve = []
    for record in Journal(Path("run/log.jsonl")).records():
        if record["event"] == event and record.get("split", "validation") == "validation":
            value = record
            for key in keys:
                value = value[key]
            found.append((record["step"], pytest.approx(value, rel=1e-5)))
    return found


def test_a_board_has_the_numbers_of_the_log_across_a_resume(project: Path, ftcli: Ftcli) -> None:
    settings = ("--set", "log.tensorboard=true", "--set", "checkpoint.every=3")
    assert ftcli("train", "tiny.toml", *settings, "--set", "train.stop_after=8").code == 0
    last = Path("run/last").resolve()
    (last / "manifest.json").unlink()  # so that it goes back to step 6, and takes two steps anew
    assert ftcli("resume", "run").code == 0
    found = curves(project / "run/tensorboard")
    assert [step for step, _ in found["train/loss"]] == list(range(1, 13))
    assert found["train/loss"] == logged("step_done", "mean_loss")
    assert found["train/lr/base"] == logged("step_done", "rates", "base")
    assert found["validation/accuracy"] == logged("evaluated", "metrics", "accuracy")
    assert [step for step, _ in found["test/loss"]] == [12]
    assert {"train/rows_per_second", "train/grad_norm", "train/epoch_loss", "validation/loss"} <= found.keys()


def test_a_board_needs_tensorboard(project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    name = recipe(("report = false", "report = false\ntensorboard = true"))
    error = refused(ftcli("train", name), 2)
    assert error.startswith("error[recipe]: `log.tensorboard` needs the package tensorboard\n  --> a.toml:")
    assert "^^^^" in error
    assert error.endswith("help: install it: pip install 'ftcli[tensorboard]'; or leave `log.tensorboard` out\n")
    assert not Path("run").exists()


def test_a_run_that_can_not_have_a_board_any_more_says_so(
    project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ftcli("train", "tiny.toml", "--set", "train.stop_after=1").code == 0
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    error = refused(ftcli("resume", "run", "--set", "log.tensorboard=true"), 2)
    where = "  --> --set log.tensorboard=true\n"
    assert error.startswith(
        f"error[recipe]: `log.tensorboard` needs the package tensorboard\n{where}help: install it: "
    )
    assert ftcli("resume", "run").code == 0
