"""Law 2: one and two ranks give the same losses and weights to rounding, also across an unfreezing stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.conftest import spawn
from tests.laws.rig import weights

SETTINGS = (
    "model.dropout=0.0",
    "optimizer.kind=sgd",
    "optimizer.lr=0.05",
    r"freeze.patterns=['embeddings', 'layer\.[01]\.']",
    r"freeze.stages=[{at={step=5}, unfreeze=['layer\.1\.']}]",
    "batch.size=11",  # 45 rows: the last group of an epoch has one row, fewer than there are ranks
)


def logged(run: Path, kind: str) -> list[dict]:
    return [r for r in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if r["event"] == kind]


def predicted_labels(run: Path) -> list[str]:
    return [json.loads(line)["label"] for line in (run / "predictions/test.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_ranks_give_what_one_gives(project: Path) -> None:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    for name, ranks in (("one", 1), ("two", 2)):
        done = spawn("train", "tiny.toml", "--run-dir", name, *settings, ranks=ranks, cwd=project)
        assert done.code == 0, done.err
    assert "FutureWarning" not in done.err
    one, two = project / "one", project / "two"
    for ours, theirs in zip(logged(one, "step_done"), logged(two, "step_done"), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)
    for ours, theirs in zip(logged(one, "evaluated"), logged(two, "evaluated"), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["metrics"] == pytest.approx(theirs["metrics"])
    left, right = weights(one / "last"), weights(two / "last")
    for name in left:
        assert torch.allclose(left[name], right[name], atol=1e-6), name
    assert len(predicted_labels(one)) == 11
    assert predicted_labels(one) == predicted_labels(two)


@pytest.mark.slow
def test_a_run_of_two_ranks_resumes_on_one(project: Path) -> None:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    assert spawn("train", "tiny.toml", "--run-dir", "one", *settings, cwd=project).code == 0
    stopped = spawn(
        "train", "tiny.toml", "--run-dir", "two", *settings, "--set", "train.stop_after=4", ranks=2, cwd=project
    )
    assert stopped.code == 0, stopped.err
    resumed = spawn("resume", "two", cwd=project)
    assert resumed.code == 0, resumed.err
    left, right = weights(project / "one" / "last"), weights(project / "two" / "last")
    for name in left:
        assert torch.allclose(left[name], right[name], atol=1e-6), name
