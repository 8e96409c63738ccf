"""Optimizers and schedulers of torch by name: what fits the loop does as torch does, and the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ftcli.errors import RecipeError
from ftcli.flows.train import resume, train
from ftcli.spec.choices import TorchOptimizer, TorchSchedule
from ftcli.spec.torch_names import TORCH_OPTIMIZERS, TORCH_SCHEDULERS
from ftcli.train.by_name import check_takes_steps, factors
from tests.laws.rig import spec_of, weights


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": 2}),
        ("CosineAnnealingWarmRestarts", {"T_0": 3}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 8, "cycle_momentum": False}),
    ],
)
def test_rates_are_those_that_torch_sets(name: str, options: dict[str, object]) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    expected: list[float] = []
    for _ in range(7):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert factors(TorchSchedule(name=name, options=options), 7) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "LambdaLR", "SequentialLR", "_LRScheduler"])
def test_what_is_no_function_of_the_step_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="can't be used here"):
        factors(TorchSchedule(name=name), 5)


def test_the_names_that_a_recipe_is_told_are_all_that_fit() -> None:
    for name in TORCH_OPTIMIZERS:
        check_takes_steps(TorchOptimizer(name=name, weight_decay=0.0))
    with pytest.raises(RecipeError) as optimizers:
        check_takes_steps(TorchOptimizer(name="nothing"))
    with pytest.raises(RecipeError) as schedulers:
        factors(TorchSchedule(name="nothing"), 5)
    assert optimizers.value.problems[0].hint == f"there are {', '.join(sorted(TORCH_OPTIMIZERS))}"
    assert schedulers.value.problems[0].hint == f"there are {', '.join(sorted(TORCH_SCHEDULERS))}"


def test_one_that_changes_more_than_the_rate_is_refused_with_the_way_out() -> None:
    with pytest.raises(RecipeError, match="changes more than the learning rate") as raised:
        factors(TorchSchedule(name="OneCycleLR", options={"max_lr": 1.0, "total_steps": 5}), 5)
    assert raised.value.problems[0].hint == "schedule.options = { cycle_momentum = false }"


def test_rates_below_zero_are_refused() -> None:
    options = {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 2}
    assert factors(TorchSchedule(name="LinearLR", options=options), 4) == (1.0, 0.5, 0.0, 0.0)
    with pytest.raises(RecipeError, match="below zero"):
        factors(TorchSchedule(name="CosineAnnealingLR", options={"T_max": 2, "eta_min": -1.0}), 4)


def test_a_run_by_names_goes_on_as_if_it_had_never_stopped(project: Path) -> None:
    settings = (
        "optimizer={kind='torch', name='Adagrad', lr=1e-2, options={lr_decay=0.1}}",
        "schedule={kind='torch', name='StepLR', warmup=2, options={step_size=3}}",
        "train.steps=8",
    )
    list(train(spec_of(project / "tiny.toml", *settings), run_dir="whole"))
    list(train(spec_of(project / "tiny.toml", *settings, "train.stop_after=5"), run_dir="cut"))
    list(resume(project / "cut"))
    whole, cut = weights(project / "whole/last"), weights(project / "cut/last")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("StepLR", {"step_size": 0}, "ZeroDivisionError"),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "cycle_momentum": False}, "Tried to step 6 times"),
    ],
)
def test_options_that_fail_only_as_it_steps_are_told_with_the_steps(
    name: str, options: dict[str, object], reason: str
) -> None:
    with pytest.raises(RecipeError, match=f"`{name}` fails within 12 steps: .*{reason}") as raised:
        factors(TorchSchedule(name=name, options=options), 12)
    assert raised.value.problems[0].key == ("schedule", "options")


def test_a_decay_among_the_options_would_come_to_nothing_and_is_refused() -> None:
    with pytest.raises(RecipeError, match="would come to nothing") as raised:
        check_takes_steps(TorchOptimizer(name="AdamW", options={"weight_decay": 5.0}))
    assert raised.value.problems[0].hint == "optimizer.weight_decay = 5.0"
