"""Heads that do not go with a task, told at the recipe's own line or option."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Ftcli

HINTS = {
    "crf": (
        '`model.head` = "crf" scores sequences of tags; this task needs scores of whole rows',
        '"auto", "cls", "mean" or "max"',
    ),
    "custom": (
        '`model.head` = "custom" needs code that builds the head',
        'name a function that makes it: `model.head_factory` = "module:name"',
    ),
}


@pytest.mark.parametrize("head", HINTS)
def test_a_head_that_does_not_go_with_the_task_is_refused(project: Path, ftcli: Ftcli, head: str) -> None:
    done = ftcli("train", "tiny.toml", "--set", f"model.head={head}")
    what, hint = HINTS[head]
    assert done.code == 2
    assert f"error[recipe]: {what}\n  --> --set model.head={head}\nhelp: {hint}\n" in done.err


@pytest.mark.parametrize("head", ["cls", "max"])
def test_a_pooled_head_trains_and_predicts(project: Path, ftcli: Ftcli, head: str) -> None:
    assert ftcli("train", "tiny.toml", "--set", f"model.head={head}", "--set", "train.steps=2").code == 0
    done = ftcli("predict", "--ckpt", "run/best", "--input", "test.jsonl")
    assert done.code == 0
    assert len(done.out.splitlines()) == 11
