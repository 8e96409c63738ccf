"""What is wrong with a sweep is said before anything runs."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.errors import recipe, refused
from tests.conftest import Ftcli

EXAMPLE = (
    "help: --grid 'optimizer.lr=[1e-5, 2e-5]', and text in quotes: --grid 'schedule.kind=[\"linear\", \"cosine\"]'\n"
)
NO_LIST = "a grid is a key and a list of its values in TOML"


@pytest.mark.parametrize(
    "grid", ["optimizer.lr=1e-3", "optimizer.lr=[]", "optimizer.lr", "=[1]", "schedule.kind=[linear]"]
)
def test_a_grid_that_is_no_list_is_refused(project: Path, ftcli: Ftcli, grid: str) -> None:
    error = refused(ftcli("sweep", "tiny.toml", "--grid", grid), 2)
    assert error == f"error[usage]: {NO_LIST}\n  --> --grid {grid}\n{EXAMPLE}"


def test_a_value_and_a_key_are_named_once(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("sweep", "tiny.toml", "--grid", "optimizer.lr=[1e-5, 0.00001]"), 2)
    assert error == (
        "error[usage]: 1e-05 is in the list twice\n"
        "  --> --grid optimizer.lr=[1e-5, 0.00001]\n"
        "help: name each value once\n"
    )
    error = refused(ftcli("sweep", "tiny.toml", "--grid", "batch.size=[4]", "--grid", "batch.size=[8]"), 2)
    assert error == "error[usage]: `batch.size` is in two grids\nhelp: put all of its values into one list\n"


@pytest.mark.parametrize(
    ("key", "way"),
    [
        ("run", "name the key in it: run.device"),
        ("run.seed", "ask for more seeds: --seeds N"),
        ("run.dir", "each run has a folder of its own under --sweep-dir"),
        ("run.name", "runs are called by their setting and seed"),
        ("train.stop_after", "end each run where its schedule ends: train.steps"),
        ("evaluate.best", "runs are compared by one metric: --set evaluate.best=NAME"),
    ],
)
def test_what_can_not_differ_between_runs_is_refused(project: Path, ftcli: Ftcli, key: str, way: str) -> None:
    error = refused(ftcli("sweep", "tiny.toml", "--grid", f"{key}=[1, 2]"), 2)
    assert error == f"error[usage]: `{key}` can't be in a grid\n  --> --grid {key}=[1, 2]\nhelp: {way}\n"


def test_every_problem_of_every_setting_is_shown_once_at_its_grid(project: Path, ftcli: Ftcli) -> None:
    grids = ("--grid", "optimizer.lr=[1e-3, -1.0]", "--grid", "optimizer.rate=[1, 2]", "--grid", "train.epochs=[1, 2]")
    error = refused(ftcli("sweep", "tiny.toml", *grids), 2)
    assert [line.strip() for line in error.splitlines() if line.startswith(("error", "  -->"))] == [
        "error[recipe]: unknown key `rate` in [optimizer]",
        "--> --grid optimizer.rate=1",
        "error[recipe]: unknown key `rate` in [optimizer]",
        "--> --grid optimizer.rate=2",
        "error[recipe]: `optimizer.lr` should be greater than or equal to 0, not -1.0",
        "--> --grid optimizer.lr=-1.0",
    ]
    assert not Path("sweep").exists()


def test_values_that_contradict_each_other_name_their_setting(project: Path, ftcli: Ftcli) -> None:
    name = recipe(("micro_size = 4\n", ""))
    grids = ("--grid", "batch.size=[4, 8]", "--grid", "batch.micro_size=[6, 2]", "--grid", "train.epochs=[1, 2]")
    error = refused(ftcli("sweep", name, *grids), 2)
    assert error == (
        "error[recipe]: `batch.micro_size` is 6, more than the 4 rows of a step (`batch.size`)"
        " (in the setting size=4,micro_size=6,epochs=1 and 1 more setting)\n"
        "  --> --grid batch.micro_size=6\n"
        "help: use at most 4, or a larger batch.size\n"
    )


def test_a_wrong_grid_is_refused_without_importing_torch(project: Path) -> None:
    arguments = ["sweep", "tiny.toml", "--grid", "optimizer.lr=[-1]"]
    code = f"import sys; from ftcli.cli.main import run; code = run({arguments}); print(code, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    exit_code, *modules = done.stdout.split()
    assert exit_code == "2"
    assert {"torch", "transformers"}.isdisjoint(modules)


NOT_COMPARABLE = {
    "no validation split": (
        ["--set", "data.validation=off"],
        "settings are compared by the validation split, and there is none",
        "name one: data.validation, or hold rows out of train: data.holdout = 0.1",
    ),
    "runs that stop": (
        ["--set", "train.stop_after=2"],
        "a sweep's runs go to their end",
        "leave train.stop_after out; shorter: train.steps",
    ),
}


@pytest.mark.parametrize("name", NOT_COMPARABLE)
def test_runs_that_could_not_be_compared_are_refused(project: Path, ftcli: Ftcli, name: str) -> None:
    options, what, way = NOT_COMPARABLE[name]
    error = refused(ftcli("sweep", "tiny.toml", "--grid", "optimizer.lr=[1e-3]", *options), 2)
    assert error == f"error[usage]: {what}\nhelp: {way}\n"


def test_settings_on_other_rows_or_by_other_metrics_are_refused(project: Path, ftcli: Ftcli) -> None:
    shutil.copy("train.jsonl", "other.jsonl")
    error = refused(ftcli("sweep", "tiny.toml", "--grid", 'data.train=["train.jsonl", "other.jsonl"]'), 2)
    assert error.startswith("error[usage]: settings are compared on the same rows, and these have several: other-")
    assert error.endswith("\nhelp: sweep over each data set by itself, with its own --sweep-dir\n")
    grid = 'evaluate=[{ best = "f1" }, { best = "accuracy" }]'
    error = refused(ftcli("sweep", "tiny.toml", "--grid", grid), 2)
    assert error == (
        "error[usage]: settings are compared by one metric, and these have several: accuracy, f1\n"
        "help: name one for all: --set evaluate.best=NAME\n"
    )


def test_a_folder_of_another_sweep_is_refused(trained: Path, tmp_path: Path, ftcli: Ftcli) -> None:
    place = tmp_path / "sweep"
    shutil.copytree("run", place / "runs" / "recipe,seed=42", symlinks=True)
    arguments = ["sweep", "tiny.toml", "--sweep-dir", place, "--seeds", "1", "--dry-run"]
    assert ftcli(*arguments).code == 0
    error = refused(ftcli(*arguments, "--grid", "optimizer.lr=[1e-3, 1e-4]"), 2)
    assert error == (
        f"error[usage]: {place} is of another sweep: it has recipe,seed=42\n"
        "help: ask for those, too (settings and seeds can be added to a sweep), or name another folder:"
        " --sweep-dir DIR\n"
    )
    error = refused(ftcli(*arguments, "--set", "optimizer.lr=0.5", "--set", "train.epochs=3"), 2)
    assert error == (
        f"error[usage]: {place}/runs/recipe,seed=42 was run with other values of `optimizer.lr`, `train.epochs`\n"
        "help: ask for what it was run with, or name another folder: --sweep-dir DIR\n"
    )


def test_a_folder_that_can_not_be_had_is_refused(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("sweep", "tiny.toml", "--sweep-dir", "train.jsonl"), 2)
    assert error == ("error[usage]: train.jsonl is a file, not a sweep's folder\nhelp: name another: --sweep-dir DIR\n")
    error = refused(ftcli("sweep", "tiny.toml", "--sweep-dir", "train.jsonl/sweep"), 2)
    way = "help: name another folder: --sweep-dir DIR\n"
    assert error == f"error[usage]: can't write to train.jsonl/sweep: Not a directory\n{way}"
    Path("sweep").mkdir()
    with Path("sweep/.sweep.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        error = refused(ftcli("sweep", "tiny.toml"), 2)
    way = "help: wait for it, or name another folder: --sweep-dir DIR\n"
    assert error == f"error[usage]: another sweep is at work in sweep\n{way}"


def test_a_sweep_under_torchrun_is_refused(project: Path, ftcli: Ftcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", "0")
    error = refused(ftcli("sweep", "tiny.toml"), 2)
    way = "help: without torchrun: ftcli sweep RECIPE --jobs N\n"
    assert error == f"error[usage]: a sweep starts its runs itself\n{way}"


def test_a_dry_run_lists_the_runs_and_their_steps(project: Path, ftcli: Ftcli) -> None:
    done = ftcli(
        *("sweep", "tiny.toml", "--grid", "train.steps=[3, 30]", "--grid", 'schedule.kind=["linear", "cosine"]'),
        *("--seeds", "2", "--dry-run"),
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[:3] == [
        "run                           steps",
        "steps=3,kind=linear,seed=42       3",
        "steps=3,kind=cosine,seed=42       3",
    ]
    assert lines[8:] == [
        "steps=30,kind=cosine,seed=43     30",
        "8 runs (4 settings x 2 seeds), 132 steps in all, in sweep",
        "runs of 3 steps would end before they are evaluated: they are at their end (evaluate.at_least=1)",
    ]
    assert not Path("sweep").exists()


def test_trials_are_drawn_alike_each_time_and_more_of_them_hold_the_fewer(project: Path, ftcli: Ftcli) -> None:
    def drawn(number: int) -> list[str]:
        grids = ("--grid", "optimizer.lr=[1e-3, 1e-4, 1e-5]", "--grid", "batch.size=[4, 8, 16]")
        done = ftcli("sweep", "tiny.toml", *grids, "--seeds", "1", "--trials", number, "--dry-run")
        return [line.split()[0] for line in done.out.splitlines() if ",seed=" in line]

    assert len(drawn(4)) == 4
    assert drawn(4) == drawn(4)
    assert set(drawn(4)) < set(drawn(6)) < set(drawn(9))
    assert len(drawn(100)) == 9


def test_fewer_settings_than_trials_are_told(project: Path, ftcli: Ftcli) -> None:
    grid = ("--grid", "batch.size=[4, 8]")
    done = ftcli("sweep", "tiny.toml", *grid, "--trials", "5", "--dry-run")
    assert "6 runs (2 settings x 3 seeds)" in done.out
    assert "there are only 2 settings, fewer than --trials 5: all are tried" in done.out
    assert "fewer than" not in ftcli("sweep", "tiny.toml", *grid, "--trials", "2", "--dry-run").out


def test_names_are_short_and_differ_where_values_do(project: Path, ftcli: Ftcli) -> None:
    grids = ("--grid", r"freeze.patterns=[['embeddings'], ['^embeddings']]", "--grid", "schedule.kind=['linear']")
    done = ftcli("sweep", "tiny.toml", *grids, "--grid", "task.kind=['classification']", "--seeds", "1", "--dry-run")
    names = [line.split()[0] for line in done.out.splitlines() if ",seed=" in line]
    assert len(set(names)) == 2
    for name in names:
        assert name.startswith("patterns=embeddings-")
        assert name.endswith(",schedule.kind=linear,task.kind=classification,seed=42")
