"""What `eval` says besides a score, of numbers, of several labels, and of parts of the user's own."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.cli.errors import refused
from tests.conftest import WORDS, Ftcli

RECIPE = """
[data]
train = "rows.jsonl"
columns = {{ text = "text", label = "{label}" }}
holdout = 0.4
max_length = 16
[task]
{task}
[model]
path = "{model}"
[optimizer]
lr = 3e-3
[train]
epochs = {epochs}
[precision]
kind = "fp32"
[evaluate]
factory = "{factory}"
"""
OWN = """
def spread(found, gold):
    return {"spread": float((found - gold).abs().max()), "rows": len(gold)}

class Halves:
    results = ("half",)
    def __init__(self, task):
        self.task = task
    def __getattr__(self, name):
        if name == "row_metrics":
            raise AttributeError(name)
        return getattr(self.task, name)

def halves(facts, evaluate):
    from ftcli.spec.choices import RegressionTask
    from ftcli.tasks.regression import build_regression
    return Halves(build_regression(RegressionTask(), facts, evaluate))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows with a number and a set of labels, both told by the words, and code of one's own."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(5)
    with Path("rows.jsonl").open("w") as file:
        for _ in range(300):
            words = rng.choices(WORDS, k=3) + rng.sample(["open", "close", "late"], k=rng.randint(0, 3))
            rng.shuffle(words)
            topics = [word for word in ("open", "close") if (word in words) != (rng.random() < 0.1)]
            row = {"text": " ".join(words), "score": len(words) + rng.random(), "topics": topics}
            file.write(json.dumps(row) + "\n")
    Path("own.py").write_text(OWN)
    return tmp_path


def train(ftcli: Ftcli, model: Path, *, label: str, task: str, epochs: int = 1, factory: str = "off") -> None:
    recipe = RECIPE.format(label=label, task=task, model=model, epochs=epochs, factory=factory)
    Path("recipe.toml").write_text(recipe)
    result = ftcli("train", "recipe.toml")
    assert result.code == 0, result.err


def test_numbers_have_intervals_and_no_temperature(folder: Path, model_folder: Path, ftcli: Ftcli) -> None:
    train(ftcli, model_folder, label="score", task='kind = "regression"', factory="own:spread")
    report = json.loads(ftcli("eval", "--ckpt", "run/best", "--json").out)
    assert set(report["intervals"]) == {"pearson", "spearman", "mse", "mae", "spread", "loss"}
    assert (report["resamples"], report["metrics"]["rows"]) == (500, 120)  # the user's code is called for each
    shown = ftcli("eval", "--ckpt", "run/best").out
    assert "  95 % intervals, from 500 resamples of the rows\n" in shown
    assert "  no interval for rows: all resamples give the same\n" in shown
    assert refused(ftcli("eval", "--ckpt", "run/best", "--calibrate"), 2) == (
        "error[usage]: regression gives a number, and no probability that could be calibrated\n"
        "help: --calibrate and --tune-threshold are for kind = classification\n"
    )
    assert ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl", "--output", "out.csv").code == 0
    compared = json.loads(
        ftcli("eval", "--ckpt", "run/best", "--input", "rows.jsonl", "--compare", "out.csv", "--json").out
    )
    assert compared["comparison"]["metrics"]["mse"]["difference"] == pytest.approx(0, abs=1e-5)


def test_several_labels_are_calibrated_and_have_thresholds(folder: Path, model_folder: Path, ftcli: Ftcli) -> None:
    train(ftcli, model_folder, label="topics", task="multi_label = true", epochs=4)
    fitted = json.loads(ftcli("eval", "--ckpt", "run/best", "--calibrate", "--tune-threshold", "f1", "--json").out)[
        "fitted"
    ]
    assert set(fitted["thresholds"]) == {"close", "open"}
    assert fitted["after"]["log_loss"] <= fitted["before"]["log_loss"]
    assert fitted["after"]["f1"] >= fitted["before"]["f1"]
    lines = ftcli("predict", "--ckpt", "run/best", "--input", "rows.jsonl").out.splitlines()
    for row in map(json.loads, lines):
        chosen = [label for label, value in row["probabilities"].items() if value >= fitted["thresholds"][label]]
        assert row["labels"] == chosen
    shown = ftcli("eval", "--ckpt", "run/best").out
    assert "probabilities of all labels, and how often they are so (expected calibration error " in shown


def test_a_task_of_ones_own_says_what_it_can_not_do(folder: Path, model_folder: Path, ftcli: Ftcli) -> None:
    task = 'kind = "custom"\nfactory = "own:halves"\nlabels = "regression"'
    train(ftcli, model_folder, label="score", task=task)
    result = ftcli("eval", "--ckpt", "run/best")
    assert result.code == 0, result.err
    assert "  no intervals: the task does not tell its metrics row by row\n" in result.out
    assert refused(ftcli("eval", "--ckpt", "run/best", "--compare", "run/last"), 2) == (
        "error[usage]: the task of run/best does not tell its metrics row by row, so it can't be compared\n"
        "help: give it `row_metrics`, as ftcli.tasks.base.Resampling says\n"
    )
    assert "what the scores of a custom task mean only it knows" in refused(
        ftcli("eval", "--ckpt", "run/best", "--calibrate"), 2
    )
