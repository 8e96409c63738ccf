"""Law 8: recipes and checkpoints come back as they went."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from ftcli.flows.laws.round_trip import check, other_encoder_tensors
from ftcli.flows.predictor import open_predictor
from ftcli.flows.train import train
from ftcli.modeling.parity import plain_encoder
from ftcli.runtime.activity import finish
from ftcli.spec.document import parse_document
from ftcli.spec.dump import dump_recipe
from ftcli.spec.recipe import load_recipe, resolve_layers
from tests.conftest import make_rows
from tests.laws.rig import LOSSES, TASKS, make_bench, spec_for, spec_of

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_loads_dumps_and_reloads_to_an_equal_spec(path: Path) -> None:
    spec = load_recipe(path).spec
    assert resolve_layers([parse_document(dump_recipe(spec), "dumped")]).spec == spec


def logits(folder: Path, rows: list[dict[str, str]]) -> torch.Tensor:
    predictor = open_predictor(folder)
    return finish(predictor.score(predictor.split(rows))).scores


def test_a_checkpoint_with_the_auto_head_gives_the_same_logits_in_plain_transformers(project: Path) -> None:
    list(train(spec_of(project / "tiny.toml")))
    rows = make_rows(17, seed=9)
    predictor = open_predictor(Path("run/best"))
    model, report = AutoModelForSequenceClassification.from_pretrained("run/best", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.config.id2label == {0: "no", 1: "yes"}
    ours = logits(Path("run/best"), rows)
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
    plain = plain_encoder(Path("run/last"))
    assert plain.keys() == {name for name, _ in ours.get_submodule("bert").named_parameters()}
    assert other_encoder_tensors(ours, plain) == []
    moved = {**plain, "encoder.layer.0.output.dense.bias": plain["encoder.layer.0.output.dense.bias"] + 1e-7}
    assert other_encoder_tensors(ours, moved) == ["encoder.layer.0.output.dense.bias"]


@pytest.mark.parametrize("head", ["auto", "mean"])
def test_prove_finds_it_true_of_every_head(project: Path, head: str) -> None:
    bench = make_bench(spec_of(project / "tiny.toml", f"model.head={head}"), project / "bench")
    checks = finish(check(bench))
    assert [each.holds for each in checks] == [True, True], checks
    assert checks[1].what == {"auto": "same in transformers", "mean": "encoder tensors that differ"}[head]


@pytest.mark.parametrize("settings", [LOSSES["symmetric pairs"], *TASKS.values()], ids=["symmetric pairs", *TASKS])
def test_prove_finds_it_true_of_every_task(project: Path, settings: tuple[str, ...]) -> None:
    checks = finish(check(make_bench(spec_for(project, *settings), project / "bench")))
    assert [each.holds for each in checks] == [True, True], checks


def test_prove_finds_weights_that_are_not_those_that_were_saved(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml"), project / "bench")
    with torch.no_grad():
        bench.whole.run.model.get_parameter("classifier.bias").add_(1e-3)
    assert [each.holds for each in finish(check(bench))] == [False, True]
