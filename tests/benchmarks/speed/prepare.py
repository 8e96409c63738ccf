"""`python -m tests.benchmarks.speed.prepare`: from a file of rows to token ids on disk."""

from __future__ import annotations

import shutil
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

from transformers import AutoTokenizer

from ftcli.flows.prepare import prepare_target, resolve_target
from ftcli.modeling.places import resolve_path
from ftcli.runtime.activity import finish
from tests.benchmarks.speed.material import MAX_LENGTH, Material
from tests.benchmarks.speed.measuring import Findings, in_turns, ratios, run_benchmark, timed
from tests.benchmarks.trainer_setup import quieten


def measure(material: Material, rounds: int) -> Findings:
    """Seconds to read and tokenise all rows; ftcli also checks each, and describes them."""
    quieten()
    contenders = {"ftcli": partial(_ours, material), "datasets": partial(_theirs, material)}
    in_turns(contenders, 1)
    seconds = in_turns(contenders, rounds)
    speeds = {f"rows/s, {name}": len(material.rows) / median(found) for name, found in seconds.items()}
    return Findings(seconds, {**ratios(seconds, "ftcli"), **speeds})


def _ours(material: Material) -> float:
    shutil.rmtree(material.data_root, ignore_errors=True)
    return timed(lambda: finish(prepare_target(resolve_target(str(material.recipe)))))


def _theirs(material: Material) -> float:
    datasets: Any = import_module("datasets")  # which is not typed
    kind: Any = AutoTokenizer  # typed in part
    datasets.disable_progress_bars()
    cache = material.folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)

    def work() -> None:
        tokenizer = kind.from_pretrained(resolve_path(material.model))
        rows = datasets.load_dataset("json", data_files=str(material.train_file), cache_dir=str(cache), split="train")

        def encode(batch: dict[str, list[str]]) -> Any:
            return tokenizer(batch["sentence1"], batch["sentence2"], truncation=True, max_length=MAX_LENGTH)

        assert len(rows.map(encode, batched=True)) == len(material.rows)

    return timed(work)


if __name__ == "__main__":
    run_benchmark("Preparing rows", measure, rows=34_000)
