"""Every command, once through its ordinary life, on a tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.conftest import Ftcli


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_leaves_everything_that_the_design_promises(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", "tiny.toml")
    assert result.code == 0, result.err
    assert "is not prepared yet" in result.err
    run = project / "run"
    for name in ("recipe.toml", "run.json", "log.jsonl", "out.log", "metrics.json", "predictions/test.jsonl"):
        assert (run / name).is_file(), name
    assert (run / "last").resolve() == run / "checkpoints" / "step-000012"
    assert not (run / "last").readlink().is_absolute()
    events = [record["event"] for record in lines(run / "log.jsonl")]
    assert events.count("step_done") == 12
    assert events.count("epoch_done") == events.count("checkpoint_saved") == 2
    assert events[-1] == "run_finished"
    metrics = json.loads((run / "metrics.json").read_text())
    assert [entry["epoch"] for entry in metrics["epochs"]] == [1, 2]
    assert all(entry["train"]["loss"] > 0 and entry["validation"]["accuracy"] >= 0 for entry in metrics["epochs"])
    assert metrics["best"]["metric"] == "accuracy"
    assert metrics["test"]["rows"] == 11
    predictions = lines(run / "predictions" / "test.jsonl")
    assert [row["a"] for row in predictions] == [row["a"] for row in lines(project / "test.jsonl")]
    assert {row["label"] for row in predictions} <= {"no", "yes"}


def losses(project: Path) -> list[tuple[float, bool, bool]]:
    """For each entry of metrics.json its epoch, and whether it has a training and a validation loss."""
    epochs = json.loads((project / "run/metrics.json").read_text())["epochs"]
    return [(round(entry["epoch"], 2), "loss" in entry["train"], "loss" in entry["validation"]) for entry in epochs]


def test_every_fraction_of_an_epoch_has_its_training_loss(project: Path, ftcli: Ftcli) -> None:
    result = ftcli("train", "tiny.toml", "--set", "train.epochs=2.5", "--set", "evaluate.every={ epochs = 0.5 }")
    assert result.code == 0, result.err
    assert losses(project) == [(epoch, True, True) for epoch in (0.5, 1.0, 1.5, 2.0, 2.5)]
    assert "epoch 2.5 done at step 15: mean training loss" in result.err
    steps = [record["loss"] for record in lines(project / "run/log.jsonl") if record["event"] == "step_done"]
    epochs = json.loads((project / "run/metrics.json").read_text())["epochs"]
    assert epochs[2]["train"]["loss"] == pytest.approx(sum(steps[6:9]) / 3)  # three whole steps into the second epoch


def test_a_run_shorter_than_an_epoch_has_its_training_loss(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "train.steps=3").code == 0
    assert losses(project) == [(0.5, True, False)]


def test_predict_gives_what_plain_transformers_gives(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml").code == 0
    result = ftcli("predict", "--ckpt", "run/best", "--input", "test.jsonl")
    assert result.code == 0, result.err
    predictions = [json.loads(line) for line in result.out.splitlines()]
    tokenizer = AutoTokenizer.from_pretrained("run/best")
    model, report = AutoModelForSequenceClassification.from_pretrained("run/best", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    for row, given in zip(predictions, lines(project / "test.jsonl"), strict=True):
        with torch.no_grad():
            scores = model(**tokenizer(given["a"], given["b"], return_tensors="pt")).logits.softmax(-1)[0]
        assert row["label"] == model.config.id2label[int(scores.argmax())]
        assert row["probability"] == pytest.approx(float(scores.max()), abs=1e-5)
        assert row["gold"] == given["label"]


def test_predictions_at_the_end_of_training_equal_those_of_predict(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml").code == 0
    assert ftcli("predict", "--ckpt", "run/best", "--input", "test.jsonl", "--output", "out.jsonl").code == 0
    for ours, theirs in zip(lines(project / "out.jsonl"), lines(project / "run/predictions/test.jsonl"), strict=True):
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=2e-6)
        assert {**ours, "probability": 0} == {**theirs, "probability": 0}


def test_eval_agrees_with_the_run(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml").code == 0
    best = json.loads((project / "run/metrics.json").read_text())["best"]
    result = ftcli("eval", "--ckpt", "run/best", "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert report["metrics"]["accuracy"] == pytest.approx(best["value"])
    assert sum(map(sum, report["confusion"])) == report["num_rows"] == 21
    on_file = json.loads(ftcli("eval", "--ckpt", "run/best", "--input", "validation.jsonl", "--json").out)
    assert on_file["metrics"] == report["metrics"]
    assert on_file["loss"] == pytest.approx(report["loss"], rel=1e-6)
    table = ftcli("eval", "--ckpt", "run/best", "--split", "test")
    assert table.code == 0
    assert "accuracy" in table.out


def test_export_answers_as_the_checkpoint_does(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml").code == 0
    result = ftcli("export", "--ckpt", "run/best")
    assert result.code == 0, result.err
    folder = project / "run/export/hf"
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["label_agreement"] == 1
    assert parity["largest_logit_difference"] < 1e-5
    assert not (folder / "state").exists()
    again = ftcli("predict", "--ckpt", folder, "--input", "test.jsonl")
    assert again.out == ftcli("predict", "--ckpt", "run/best", "--input", "test.jsonl").out


def test_a_stopped_run_resumes_to_the_same_bytes(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--run-dir", "whole").code == 0
    assert ftcli("train", "tiny.toml", "--set", "train.stop_after=4").code == 0
    assert "stop_after" not in (project / "run/recipe.toml").read_text()
    result = ftcli("resume", "run")
    assert result.code == 0, result.err
    whole, resumed = (load_file(f"{name}/last/model.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    steps = [r["step"] for r in lines(project / "run/log.jsonl") if r["event"] == "step_done"]
    assert steps == list(range(1, 13))
    again = ftcli("resume", "run")
    assert again.code == 0
    assert "finished" in again.err


def test_help_and_recipe_errors_import_neither_torch_nor_transformers(project: Path) -> None:
    code = (
        "import sys\nfrom ftcli.cli.main import run\nrun(['--help'])\nrun(['train', 'missing.toml'])\n"
        "heavy = {'torch', 'transformers', 'safetensors'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "prepare" in done.stdout
