"""Other data, heads, cuts and schedules than the ordinary run's, each through training and predicting."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import Ftcli, make_rows

LABELS = ("close", "open", "other")


@pytest.fixture
def texts(project: Path) -> Path:
    """Single texts with three labels, as CSV with quotes and Windows line ends."""
    for name, count, seed in (("train", 60, 4), ("validation", 24, 5), ("input", 9, 6)):
        with (project / f"{name}.csv").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(["number", "text", "kind"])
            for number, row in enumerate(make_rows(count, seed=seed, labels=LABELS)):
                writer.writerow([number, f'{row["a"]}, "{row["b"]}"', row["label"]])
    recipe = (project / "tiny.toml").read_text().split("[model]", 1)[1]
    columns = 'columns = { text = "text", label = "kind" }'
    data = f'[data]\ntrain = "train.csv"\nvalidation = "validation.csv"\n{columns}\nmax_length = 16\n[model]'
    (project / "texts.toml").write_text(data + recipe)
    return project


@pytest.mark.parametrize(
    "settings",
    [
        ("model.head=mean", "schedule.kind=cosine", "optimizer.layer_decay=0.8"),
        ("batch.max_tokens=48", "batch.window=3", "schedule.kind=polynomial", "train.epochs=1.5"),
        ("batch.accumulation=2", "optimizer.kind=sgd", "optimizer.momentum=0.9", "schedule.kind=constant"),
        ("precision.kind=bf16", "train.steps=2", "evaluate.every=1"),
        ("precision.kind=fp16", "train.steps=2", "evaluate.every=2"),
    ],
    ids=["mean", "tokens", "accumulation", "bf16", "fp16"],
)
def test_single_texts_with_three_labels(texts: Path, ftcli: Ftcli, settings: tuple[str, ...]) -> None:
    flags = [part for setting in settings for part in ("--set", setting)]
    trained = ftcli("train", "texts.toml", *flags)
    assert trained.code == 0, trained.err
    done = ftcli("predict", "--ckpt", "run/last", "--input", "input.csv", "--output", "out.csv")
    assert done.code == 0, done.err
    with (texts / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == [str(number) for number in range(9)]
    assert all(row["label"] in LABELS and 1 / 3 <= float(row["probability"]) <= 1 for row in rows)
    scored = json.loads(ftcli("eval", "--ckpt", "run/last", "--json").out)
    assert {"accuracy", "f1_macro"} <= set(scored["metrics"])
    assert [each["label"] for each in scored["per_class"]] == list(LABELS)


def test_forced_bf16_on_a_slow_cpu_says_so(texts: Path, ftcli: Ftcli) -> None:
    import torch

    if torch.cpu.get_capabilities().get("amx_bf16") or torch.cpu.get_capabilities().get("avx512_bf16"):
        pytest.skip("this CPU has fast bf16")
    result = ftcli("train", "texts.toml", "--dry-run", "--set", "precision.kind=bf16")
    assert "no fast bf16" in result.out


def test_predict_renames_columns_and_keeps_every_field(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "train.steps=2").code == 0
    row = {"id": 7, "first": "close my card", "second": "how do i close my card", "label": "?", "probability": "high"}
    (project / "other.jsonl").write_text(json.dumps(row) + "\n")
    result = ftcli("predict", "--ckpt", "run/last", "--input", "other.jsonl", "--text", "first", "--pair", "second")
    assert result.code == 0, result.err
    predicted = json.loads(result.out)
    assert list(predicted) == ["id", "first", "second", "gold", "input_probability", "label", "probability"]
    assert (predicted["id"], predicted["gold"], predicted["input_probability"]) == (7, "?", "high")


def test_a_checkpoint_serves_as_the_model_of_another_run(project: Path, ftcli: Ftcli) -> None:
    assert ftcli("train", "tiny.toml", "--set", "train.steps=2").code == 0
    again = ftcli("train", "tiny.toml", "--run-dir", "again", "--set", "model.path=run/last", "--set", "train.steps=1")
    assert again.code == 0, again.err
