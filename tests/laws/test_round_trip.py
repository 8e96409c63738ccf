"""Law 8: recipes and checkpoints come back as they went."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification

from ftcli.flows.predictor import open_predictor
from ftcli.flows.train import train
from ftcli.spec.document import parse_document
from ftcli.spec.dump import dump_recipe
from ftcli.spec.recipe import load_recipe, resolve_layers
from tests.conftest import make_rows
from tests.laws.rig import spec_of

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_loads_dumps_and_reloads_to_an_equal_spec(path: Path) -> None:
    spec = load_recipe(path).spec
    assert resolve_layers([parse_document(dump_recipe(spec), "dumped")]).spec == spec


def logits(folder: Path, rows: list[dict[str, str]]) -> torch.Tensor:
    return open_predictor(folder).score(rows).scores


def test_a_checkpoint_with_the_auto_head_gives_the_same_logits_in_plain_transformers(project: Path) -> None:
    list(train(spec_of(project / "tiny.toml")))
    rows = make_rows(17, seed=9)
    predictor = open_predictor(Path("run/best"))
    model, report = AutoModelForSequenceClassification.from_pretrained("run/best", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.config.id2label == {0: "no", 1: "yes"}
    ours = predictor.score(rows).scores
    inputs = predictor.tokenizer.inner(
        [r["a"] for r in rows], [r["b"] for r in rows], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = model.eval()(**inputs).logits
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_checkpoint_with_another_head_reloads_with_the_same_logits_and_its_encoder_loads_alone(project: Path) -> None:
    list(train(spec_of(project / "tiny.toml", "model.head=mean", "train.steps=3")))
    rows = make_rows(17, seed=9)
    first = logits(Path("run/last"), rows)
    assert torch.equal(first, logits(Path("run/last"), rows))
    ours = open_predictor(Path("run/last")).model
    encoder, report = AutoModel.from_pretrained("run/last", output_loading_info=True)
    assert all("pooler" in name for name in report["missing_keys"])
    for name, value in encoder.named_parameters():
        if "pooler" not in name:
            assert torch.equal(value, ours.get_parameter(f"bert.{name}")), name
