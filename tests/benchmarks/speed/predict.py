"""`python -m tests.benchmarks.speed.predict`: from a checkpoint and a file of rows to a file of their labels."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from transformers import pipeline  # pyright: ignore[reportUnknownVariableType]

from ftcli.flows.inputs import Input
from ftcli.flows.outputs import Output
from ftcli.flows.predict import predict as predict_rows
from ftcli.flows.train import train
from ftcli.runtime.activity import finish
from ftcli.spec.card import Format
from tests.benchmarks.speed.material import BATCH, MAX_LENGTH, Material
from tests.benchmarks.speed.measuring import Findings, in_turns, ratios, run_benchmark, timed
from tests.benchmarks.speed.ours import spec_of
from tests.benchmarks.trainer_setup import quieten


def measure(material: Material, rounds: int) -> Findings:
    """Seconds to load a checkpoint, label all rows and write them; `--device cpu` on both sides."""
    quieten()
    checkpoint, files = _checkpoint(material), [material.folder / name for name in ("a.jsonl", "b.jsonl")]
    contenders = {
        "ftcli": partial(_ours, material, checkpoint, files[0]),
        "pipeline": partial(_theirs, material, checkpoint, files[1]),
    }
    seconds = in_turns(contenders, rounds)
    labels = [[json.loads(line)["label"] for line in file.read_text().splitlines()] for file in files]
    same = sum(ours == theirs for ours, theirs in zip(*labels, strict=True)) / len(material.rows)
    shares = {"share of rows with the same label": same, "share of the commonest label": _commonest(labels[0])}
    speeds = {f"rows/s, {name}": len(material.rows) / median(found) for name, found in seconds.items()}
    return Findings(seconds, {**ratios(seconds, "ftcli"), **shares, **speeds})


def _checkpoint(material: Material) -> Path:
    """A trained one, if there is any; else one that has hardly begun, which may give all rows the same label."""
    if trained := os.environ.get("FTCLI_REAL_CHECKPOINT"):
        return Path(trained)
    list(train(spec_of(material, "train.steps=8", "optimizer.lr=1e-3"), run_dir=str(material.folder / "run")))
    return material.folder / "run" / "best"


def _commonest(labels: list[str]) -> float:
    return max(map(labels.count, set(labels))) / len(labels)


def _ours(material: Material, checkpoint: Path, output: Path) -> float:
    source = Input(str(material.train_file), Format())
    return timed(lambda: finish(predict_rows(checkpoint, source=source, output=Output(str(output)), device="cpu")))


def _theirs(material: Material, checkpoint: Path, output: Path) -> float:
    def work() -> None:
        label: Any = pipeline("text-classification", model=str(checkpoint), device="cpu", batch_size=BATCH)  # pyright: ignore[reportUnknownVariableType]
        pairs = [{"text": row["sentence1"], "text_pair": row["sentence2"]} for row in material.rows]
        found: list[dict[str, Any]] = label(pairs, truncation=True, max_length=MAX_LENGTH)
        with output.open("w") as file:
            file.writelines(json.dumps({**row, **answer}) + "\n" for row, answer in zip(pairs, found, strict=True))

    return timed(work)


if __name__ == "__main__":
    run_benchmark("Labelling rows", measure, rows=1600)
