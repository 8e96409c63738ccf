"""A new run from the weights of an old one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.cli.errors import flip, refused
from tests.conftest import COLUMNS, Ftcli, make_rows, write_rows
from tests.laws.rig import weights

ONE_STEP = ("--set", "train.steps=1", "--set", "evaluate.every=never")


@pytest.fixture
def trained(project: Path, ftcli: Ftcli) -> Path:
    assert ftcli("train", "tiny.toml", "--run-dir", "old", "--set", "train.steps=3").code == 0
    return project


def test_a_new_run_begins_at_step_0_with_the_old_weights_and_a_new_optimizer(trained: Path, ftcli: Ftcli) -> None:
    still = ("--set", "optimizer.lr=0.0", "--set", "batch.size=9")
    done = ftcli("train", "tiny.toml", "--init-from", "old/last", *still, *ONE_STEP)
    assert done.code == 0, done.err
    assert "new weights" not in done.err
    old, new = weights(trained / "old/last"), weights(trained / "run/last")
    assert all(torch.equal(old[name], new[name]) for name in old)
    assert json.loads((trained / "run/last/manifest.json").read_text())["step"] == 1
    recipe = (trained / "run/recipe.toml").read_text()
    assert f'path = "{(trained / "old/last").resolve()}"' in recipe
    assert 'weights = "all"' in recipe


def test_other_labels_need_a_new_head_and_both_lists_are_shown(trained: Path, ftcli: Ftcli) -> None:
    write_rows(trained / "three.jsonl", make_rows(30, seed=1, labels=("a", "b", "c")))
    text = (trained / "tiny.toml").read_text()
    start, end = text.index("[data]"), text.index("[model]")
    other = f'{text[:start]}[data]\ntrain = "three.jsonl"\n{COLUMNS}\nmax_length = 32\n{text[end:]}'
    (trained / "three.toml").write_text(other)
    error = refused(ftcli("train", "three.toml", "--init-from", "old/last", *ONE_STEP), 2)
    assert "knows the labels no, yes; the data has a, b, c" in error
    assert "help: a new head for these: --new-head" in error
    done = ftcli("train", "three.toml", "--init-from", "old/last", "--new-head", *ONE_STEP)
    assert done.code == 0, done.err
    assert "new weights: classifier" in done.err


def test_a_new_head_is_new_even_where_the_old_one_would_fit(trained: Path, ftcli: Ftcli) -> None:
    still = ("--set", "optimizer.lr=0.0")
    done = ftcli("train", "tiny.toml", "--init-from", "old/last", "--new-head", *still, *ONE_STEP)
    assert done.code == 0, done.err
    old, new = weights(trained / "old/last"), weights(trained / "run/last")
    different = {name for name in old if not torch.equal(old[name], new[name])}
    assert different == {"classifier.weight", "classifier.bias"}


def test_another_head_than_the_checkpoint_has_is_refused(trained: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--init-from", "old/last", "--set", "model.head=mean"), 2)
    assert 'has another head than `model.head` = "mean" asks for' in error


def test_a_damaged_checkpoint_is_no_start(trained: Path, ftcli: Ftcli) -> None:
    flip(trained / "old/last/model.safetensors")
    assert "does not match its hash" in refused(ftcli("train", "tiny.toml", "--init-from", "old/last"), 6)


def test_a_new_head_goes_with_a_checkpoint(project: Path, ftcli: Ftcli) -> None:
    error = refused(ftcli("train", "tiny.toml", "--new-head"), 2)
    assert error == (
        "error[usage]: --new-head goes with --init-from\nhelp: ftcli train RECIPE --init-from CKPT --new-head\n"
    )
