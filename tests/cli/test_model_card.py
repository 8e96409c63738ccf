"""The model card's front matter, as the hub's own client reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from ftcli.flows.exporting.metadata import base_model, without_places
from tests.conftest import Ftcli


@pytest.mark.parametrize(("format", "library"), [("hf", "transformers"), ("onnx-int8", "onnx")])
def test_the_hub_reads_task_scores_and_library(
    trained: Path, tmp_path: Path, ftcli: Ftcli, format: str, library: str
) -> None:
    done = ftcli("export", "--ckpt", "run/best", "--format", format, "--output", tmp_path / format)
    assert done.code == 0, done.err
    card: Any = ModelCard.load(tmp_path / format / "README.md").data
    assert (card.library_name, card.pipeline_tag, card.tags) == (library, "text-classification", ["ftcli"])
    assert (card.base_model, card.license, card.language) == (None, None, None)
    found = {each.metric_type: (each.dataset_split, each.metric_value) for each in card.eval_results}
    assert set(found) == set(card.metrics)
    if format == "hf":
        saved = json.loads((trained / "run/best/manifest.json").read_text())["metrics"]
        split, wanted = "validation", saved["accuracy"]
    else:
        parity = json.loads((tmp_path / format / "parity.json").read_text())
        split, wanted = f"validation ({parity['labelled_rows']} rows)", parity["score"]["accuracy"]["export"]["value"]
    assert found["accuracy"] == (split, round(wanted, 4))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("google-bert/bert-base-chinese", "google-bert/bert-base-chinese"),
        ("bert-base-uncased", "bert-base-uncased"),
        ("/models/bert", None),
        ("package:some_package/model", None),
        ("scratch", None),
    ],
)
def test_what_training_began_from_is_named_where_the_hub_has_it(path: str, name: str | None) -> None:
    assert base_model(f"[model]\npath = '{path}'\n") == name
    assert base_model("") is None


def test_a_recipe_is_shown_without_places_of_the_machine() -> None:
    recipe = """[data]
train = ["/home/a b/one.jsonl", '/home/it/two.jsonl', "C:\\\\rows\\\\three.csv"]
columns = { text = "a/b" }
[freeze]
patterns = ['^bert\\.embeddings', "it's"]
"""
    assert (
        without_places(recipe)
        == """[data]
train = ["one.jsonl", 'two.jsonl', "three.csv"]
columns = { text = "a/b" }
[freeze]
patterns = ['^bert\\.embeddings', "it's"]
"""
    )
