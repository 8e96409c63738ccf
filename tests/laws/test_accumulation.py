"""Law 1: however a step is cut into micro-batches, its gradient and loss are the same to rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.conftest import make_rows
from tests.laws.rig import GRADIENT_BOUND, accumulated_gradient, make_run, relative_distance, spec_of

BASE = ("model.dropout=0.0", "batch.size=32")
CUTS = ("batch.micro_size=8", "batch.micro_size=1", "batch.micro_size=5", "batch.accumulation=3", "batch.max_tokens=64")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("step", [0, 1], ids=["full group", "short last group"])
def test_every_cut_gives_the_gradient_of_the_uncut_step(project: Path, cut: str, step: int, dtype: torch.dtype) -> None:
    whole = make_run(spec_of(project / "tiny.toml", *BASE, "batch.micro_size=32"), project / "a", dtype=dtype)
    pieces = make_run(spec_of(project / "tiny.toml", *BASE, cut), project / "b", dtype=dtype)
    assert whole.feed.group(step).num_rows == (32, 13)[step]
    assert len(whole.feed.group(step).batches) == 1
    assert len(pieces.feed.group(step).batches) > 1
    expected, expected_loss = accumulated_gradient(whole, step)
    found, found_loss = accumulated_gradient(pieces, step)
    assert relative_distance(found, expected) < GRADIENT_BOUND[dtype]
    assert found_loss == pytest.approx(expected_loss, rel=GRADIENT_BOUND[dtype])


@pytest.mark.parametrize("head", ["auto", "mean"])
def test_freezing_and_heads_change_nothing_about_it(project: Path, head: str) -> None:
    freezing = (*BASE, f"model.head={head}", r"freeze.patterns=['embeddings', 'layer\.0\.']")
    whole = make_run(spec_of(project / "tiny.toml", *freezing, "batch.micro_size=32"), project / "a")
    pieces = make_run(spec_of(project / "tiny.toml", *freezing, "batch.micro_size=3"), project / "b")
    for run in (whole, pieces):
        for name, parameter in run.model.named_parameters():
            parameter.requires_grad_(name in run.freezing.stages[0].trainable)
    expected, _ = accumulated_gradient(whole, 0)
    found, _ = accumulated_gradient(pieces, 0)
    assert relative_distance(found, expected) < 1e-9


def test_the_gradient_is_that_of_the_mean_loss_that_transformers_computes(project: Path, model_folder: Path) -> None:
    """Against plain transformers over the same rows: the division is right, not only equal."""
    run = make_run(spec_of(project / "tiny.toml", *BASE, "batch.micro_size=4"), project / "a")
    found, found_loss = accumulated_gradient(run, 0)
    model = AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=2, dtype=torch.float64)
    model.load_state_dict(run.model.state_dict())
    model.eval()
    rows = [make_rows(45, seed=1)[number] for number in run.feed.rows(0).tolist()]
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    inputs = tokenizer([r["a"] for r in rows], [r["b"] for r in rows], padding=True, return_tensors="pt")
    labels = torch.tensor([("no", "yes").index(row["label"]) for row in rows])
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    named = model.named_parameters()
    expected = torch.cat([p.grad.flatten() for n, p in named if p.grad is not None and not n.endswith("key.bias")])
    assert relative_distance(found, expected) < 1e-9
    assert found_loss == pytest.approx(float(loss.detach()), rel=1e-9)
