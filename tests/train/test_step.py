"""A step that does not fit into memory is taken in smaller pieces; one that gives no number is not taken at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ftcli.errors import NonFiniteError, OutOfMemoryError
from ftcli.flows.train import resume, train
from ftcli.tasks.base import Batch
from ftcli.tasks.classification import Classification
from ftcli.train.events import Noted, StepDone
from tests.conftest import run_torchrun
from tests.laws.rig import spec_of, weights
from tests.laws.tasks import build_as

AUTO = ("batch.micro_size=auto", "batch.size=16", "train.steps=4", "evaluate.every=never")


@dataclass(frozen=True)
class Hungry(Classification):
    """Runs out of memory on more than `fits` tokens with a gradient: padding is none of a BERT's on a CPU."""

    fits: int = 60

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        if int(batch.inputs["attention_mask"].sum()) > self.fits:
            raise torch.OutOfMemoryError("tried to allocate more than there is")
        return Classification.loss(self, model, batch)


def build_hungry(*asked: Any) -> Hungry:
    return build_as(Hungry, *asked)


def build_starving(*asked: Any) -> Hungry:
    return replace(build_hungry(*asked), fits=0)


@dataclass(frozen=True)
class Poisoned(Classification):
    """The loss of one row is no number."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        losses = Classification.loss(self, model, batch)
        return losses * torch.where((batch.rows == 7).any(), float("nan"), 1.0)


def build_poisoned(*asked: Any) -> Poisoned:
    return build_as(Poisoned, *asked)


def micro_tokens(run: Path) -> int:
    return json.loads((run / "last/state/progress.json").read_text())["micro_tokens"]


def test_running_out_of_memory_halves_the_micro_batch_and_keeps_the_step(project: Path) -> None:
    settings = (*AUTO, "model.dropout=0.0", "optimizer.kind=sgd", "optimizer.lr=0.05")
    events = list(train(spec_of(project / "tiny.toml", *settings), run_dir="halved", build_task=build_hungry))
    notes = [event.text for event in events if isinstance(event, Noted) and event.level == "warning"]
    assert len([note for note in notes if "micro-batches have" in note]) >= 2  # halved, and once more
    fits = micro_tokens(project / "halved")
    assert fits <= 60
    assert any(note.endswith(f"micro-batches have at most {fits} tokens from here on") for note in notes)
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3, 4]
    list(train(spec_of(project / "tiny.toml", *settings), run_dir="whole"))
    left, right = weights(project / "halved/last"), weights(project / "whole/last")
    assert all(torch.allclose(left[name], right[name], atol=1e-6) for name in left)


def test_memory_that_runs_out_in_the_first_forward_pass_of_fp16_halves_as_well(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", *AUTO, "precision.kind=fp16", "train.steps=1")
    events = list(train(spec, run_dir="run", build_task=build_hungry))
    assert [event.step for event in events if isinstance(event, StepDone)] == [1]
    assert micro_tokens(project / "run") <= 60


def test_a_resumed_run_remembers_what_fits(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", *AUTO, "train.stop_after=2")
    list(train(spec, run_dir="run", build_task=build_hungry))
    assert micro_tokens(project / "run") <= 60
    events = list(resume(project / "run", build_task=build_hungry))
    assert not any(isinstance(event, Noted) and "micro-batches have" in event.text for event in events)


def test_a_row_that_does_not_fit_alone_ends_the_run(project: Path) -> None:
    with pytest.raises(OutOfMemoryError, match="a micro-batch of 1 row ") as caught:
        list(train(spec_of(project / "tiny.toml", *AUTO), run_dir="run", build_task=build_starving))
    assert caught.value.exit_code == 4
    assert "batch.micro_size" in str(caught.value.problems[0].hint)


def test_a_micro_size_that_the_recipe_names_is_not_changed(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", *AUTO, "batch.micro_size=8")
    with pytest.raises(OutOfMemoryError, match="a micro-batch of 8 rows"):
        list(train(spec, run_dir="run", build_task=build_hungry))


def test_the_rows_of_a_loss_that_is_no_number_are_named_and_the_weights_are_those_before_it(project: Path) -> None:
    settings = ("batch.size=8", "batch.micro_size=2", "evaluate.every=never")
    with pytest.raises(NonFiniteError) as caught:
        list(train(spec_of(project / "tiny.toml", *settings), run_dir="run", build_task=build_poisoned))
    error = caught.value
    assert error.step is not None
    assert 7 in error.rows
    assert len(error.rows) <= 2
    assert {"bert.encoder.layer.0", "bert.encoder.layer.2", "classifier"} <= set(error.layer_norms)
    last = json.loads((project / "run/last/manifest.json").read_text())
    assert last["step"] == error.step - 1
    stopped = f"train.stop_after={error.step - 1}"
    if error.step > 1:
        list(train(spec_of(project / "tiny.toml", *settings, stopped), run_dir="before"))
        left, right = weights(project / "run/last"), weights(project / "before/last")
        assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_row_of_several_sequences_is_named_once(project: Path) -> None:
    spec = spec_of(project / "tiny.toml", "task.symmetric=true", "batch.size=45", "batch.micro_size=45")
    with pytest.raises(NonFiniteError, match="in step 1") as caught:
        list(train(spec, run_dir="run", build_task=build_poisoned))
    assert 7 in caught.value.rows
    assert len(caught.value.rows) == len(set(caught.value.rows))
    assert f"among {len(caught.value.rows)} of its rows" in str(caught.value)


SCRIPT = """
import sys
from pathlib import Path
from ftcli.flows.train import train
from ftcli.spec.recipe import load_recipe
from ftcli.runtime.launch import launched_rank
from ftcli.tasks.build import build_task as build_any_task
from tests.train.test_step import build_hungry

build = build_hungry if launched_rank() == 1 else build_any_task
for event in train(load_recipe(Path("tiny.toml"), sys.argv[2:]).spec, run_dir=sys.argv[1], build_task=build):
    pass
"""


@pytest.mark.slow
def test_memory_that_one_of_two_ranks_has_not_halves_the_micro_batches_of_both(project: Path) -> None:
    (project / "script.py").write_text(SCRIPT)
    settings = [*AUTO, "model.dropout=0.0", "optimizer.kind=sgd", "optimizer.lr=0.05"]
    done = run_torchrun("script.py", "two", *settings, cwd=project)
    assert done.code == 0, done.err
    list(train(spec_of(project / "tiny.toml", *settings), run_dir="one"))
    left, right = weights(project / "two/last"), weights(project / "one/last")
    assert all(torch.allclose(left[name], right[name], atol=1e-6) for name in left)
    assert micro_tokens(project / "two") <= 60
