"""Law 1: however a step is cut into micro-batches, its gradient and loss are the same to rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ftcli.flows.laws.accumulation import WHOLE, check, compare, compared_steps, cut_run, gradient_of, train_all
from ftcli.flows.laws.measure import BOUNDS, gradients, relative_distance
from ftcli.flows.laws.shaping import changed
from ftcli.modeling.freezing import apply_stage
from ftcli.runtime.activity import finish
from tests.conftest import make_rows
from tests.laws.rig import LOSSES, TASKS, make_bench, make_parts, make_run, spec_for, spec_of
from tests.laws.tasks import HEADLESS, build_even_tokens, build_mean_loss

BASE = ("model.dropout=0.0", "batch.size=32")
CUTS: list[dict[str, Any]] = [
    {"micro_size": 8},
    {"micro_size": 1},
    {"micro_size": 5},
    {"accumulation": 3},
    {"max_tokens": 64},
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("step", [0, 1], ids=["full group", "short last group"])
def test_every_cut_gives_the_gradient_of_the_uncut_step(project: Path, step: int, dtype: torch.dtype) -> None:
    parts = make_parts(spec_of(project / "tiny.toml", *BASE), dtype=dtype)
    assert len(finish(cut_run(parts, project, WHOLE)).feed.group(step).batches) == 1
    for cut in CUTS:
        found = finish(compare(parts, project, step=step, cuts=[cut]))
        assert found.num_rows == (32, 13)[step]
        assert found.num_batches[0] > 1
        assert found.gradient < BOUNDS[dtype], cut
        assert found.loss < BOUNDS[dtype], cut


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("settings", [*LOSSES.values(), *TASKS.values()], ids=[*LOSSES, *TASKS])
def test_so_it_is_with_every_loss_and_task(project: Path, settings: tuple[str, ...], dtype: torch.dtype) -> None:
    parts = make_parts(changed(spec_for(project, "batch.size=32", *settings), "model", dropout=0.0), dtype=dtype)
    for step in (0, 1):
        found = finish(compare(parts, project, step=step, cuts=CUTS))
        assert min(found.num_batches) > 1
        assert found.gradient < BOUNDS[dtype]
        assert found.loss < BOUNDS[dtype]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_rows_with_uneven_numbers_of_items_are_weighed_by_their_items(project: Path, dtype: torch.dtype) -> None:
    parts = make_parts(spec_of(project / "tiny.toml", *BASE, HEADLESS), dtype=dtype, build_task=build_even_tokens)
    train_all(parts)
    run = finish(cut_run(parts, project, {"micro_size": 1}))
    items = {run.task.count_items(run.splits["train"], run.feed.rows(0)[row : row + 1]) for row in range(32)}
    assert len(items) > 3
    assert 0 in items
    for step in (0, 1):
        found = finish(compare(parts, project, step=step, cuts=CUTS))
        assert found.gradient < BOUNDS[dtype]
        assert found.loss < BOUNDS[dtype]


@pytest.mark.parametrize("head", ["auto", "mean"])
def test_freezing_and_heads_change_nothing_about_it(project: Path, head: str) -> None:
    freezing = (*BASE, f"model.head={head}", r"freeze.patterns=['embeddings', 'layer\.0\.']")
    parts = make_parts(spec_of(project / "tiny.toml", *freezing))
    apply_stage(parts.loaded.model, parts.freezing.stages[0])
    found, _ = gradient_of(finish(cut_run(parts, project, {"micro_size": 3})), 0)
    assert found.keys() <= parts.freezing.stages[0].trainable
    assert finish(compare(parts, project, step=0, cuts=[{"micro_size": 3}])).gradient < 1e-9


@pytest.mark.parametrize("size", [32, 11, 45, 64])
def test_with_a_window_the_short_group_is_found_wherever_it_comes(project: Path, size: int) -> None:
    parts = make_parts(spec_of(project / "tiny.toml", f"batch.size={size}", "model.dropout=0.0", "batch.window=3"))
    run = finish(cut_run(parts, project, {"micro_size": 4}))
    steps = finish(compared_steps(parts))
    sizes = {name: run.feed.group(step).num_rows for name, step in steps.items()}
    expected = {32: [32, 13], 11: [11, 1], 45: [45], 64: [45]}[size]
    assert list(sizes.values()) == expected
    assert all(str(rows) in name for name, rows in sizes.items())
    for step in steps.values():
        assert finish(compare(parts, project, step=step, cuts=CUTS[1:3])).gradient < 1e-9


@pytest.mark.parametrize(
    "settings",
    [
        ("batch.size=32",),
        ("batch.size=12", "batch.max_tokens=64", "batch.window=2"),
        (r"freeze.patterns=['^bert']", r"freeze.stages=[{at={epoch=1}, unfreeze=['layer\.2\.']}]"),
        ("model.head=mean", "optimizer.layer_decay=0.8"),
        (*LOSSES["R-Drop of weighted symmetric pairs"], "batch.size=13"),
        (*TASKS["tagging with a CRF"], "batch.size=13"),
    ],
    ids=["short group", "tokens and window", "stages", "mean", "weighted symmetric pairs", "windows and a CRF"],
)
def test_prove_finds_it_true(project: Path, settings: tuple[str, ...]) -> None:
    checks = finish(check(make_bench(spec_for(project, *settings), project / "bench")))
    assert len(checks) == 4
    assert all(each.holds for each in checks), checks


def test_prove_finds_a_mean_loss(project: Path) -> None:
    bench = make_bench(spec_of(project / "tiny.toml"), project / "bench", build_task=build_mean_loss)
    checks = finish(check(bench))
    assert all(each.holds is False for each in checks), checks


def test_a_step_of_one_row_has_nothing_to_cut(project: Path) -> None:
    settings = ("batch.size=1", "batch.micro_size=1", "train.steps=3")
    checks = finish(check(make_bench(spec_of(project / "tiny.toml", *settings), project / "bench")))
    assert [(each.holds, each.note) for each in checks] == [(None, "a step of one row can't be cut")]


def test_the_gradient_is_that_of_the_mean_loss_that_transformers_computes(project: Path, model_folder: Path) -> None:
    """Against plain transformers over the same rows: the division is right, not only equal."""
    run = make_run(spec_of(project / "tiny.toml", *BASE, "batch.micro_size=4"), project / "a")
    found, found_loss = gradient_of(run, 0)
    model = AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=2, dtype=torch.float64)
    model.load_state_dict(run.model.state_dict())
    model.eval()
    rows = [make_rows(45, seed=1)[number] for number in run.feed.rows(0).tolist()]
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    inputs = tokenizer([r["a"] for r in rows], [r["b"] for r in rows], padding=True, return_tensors="pt")
    labels = torch.tensor([("no", "yes").index(row["label"]) for row in rows])
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    assert relative_distance(found, gradients(model)) < 1e-9
    assert found_loss == pytest.approx(float(loss.detach()), rel=1e-9)


def test_with_class_weights_it_is_that_of_the_weighted_mean(project: Path) -> None:
    settings = (*BASE, "batch.micro_size=4", *LOSSES["class weights"])
    run = make_run(spec_of(project / "tiny.toml", *settings), project / "a")
    found, found_loss = gradient_of(run, 0)
    group = run.feed.group(0)
    logits = [run.model.eval()(**batch.inputs).logits for batch in group.batches]
    labels = torch.cat([batch.labels for batch in group.batches])
    loss = cross_entropy(torch.cat(logits), labels, weight=torch.tensor([0.3, 2.7]).double())
    torch.autograd.backward(loss)
    assert relative_distance(found, gradients(run.model)) < 1e-7  # the weights are kept in single precision
    assert found_loss == pytest.approx(float(loss.detach()), rel=1e-7)
